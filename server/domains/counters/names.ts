import type { Ctx } from "../../context.js";
import type { CounterDeclaration } from "../../kernel/counters.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { didYouMean } from "../../kernel/nearest.js";
import { callerAccount } from "../accounts/index.js";

/** The field of a request that names counters. */
export type CounterField = "counters" | "deltas";

/** Whom an RPC's text names; empty and `me` are the caller himself. Throws ACCOUNT_NOT_FOUND, ACCOUNT_REQUIRED. */
export function whose(ctx: Ctx, text: string): string {
  if (text === "" || text === "me") return callerAccount(ctx);
  const id = parseId(text);
  if (id === undefined) throw noAccount();
  return id;
}

/** What whoever asks for counters of an account that is not there is told. */
export function noAccount(): DomainError {
  return new DomainError("ACCOUNT_NOT_FOUND", undefined, { field: "accountId" });
}

/** A counter that a field names, as a field: `deltas["ping"]`. */
export function fieldOf(field: CounterField, name: string): string {
  return `${field}[${JSON.stringify(name)}]`;
}

/** The counters that a caller writes, none of which follows rows. Throws UNKNOWN_COUNTER, DERIVED_COUNTER. */
export function writable(ctx: Ctx, field: CounterField, names: readonly string[]): CounterDeclaration[] {
  return names.map((name) => {
    const counter = ctx.counters.find(name);
    if (counter === undefined) throw unknown(ctx, field, name);
    if (counter.derived) throw derived(field, name);
    return counter;
  });
}

function unknown(ctx: Ctx, field: CounterField, name: string): DomainError {
  const free = ctx.counters.all().filter((counter) => !counter.derived);
  const like = didYouMean(
    name,
    free.map((counter) => counter.name),
  );
  const message = `There is no counter ${name}${like || "."}`;
  return new DomainError("UNKNOWN_COUNTER", message, { field: fieldOf(field, name) });
}

/** The verbs that move what follows messages; all others follow connections. */
const MOVED_BY: ReadonlyMap<string, string> = new Map([
  ["msg_count", "SendMessage or DeleteMessages"],
  ["msg_read", "MarkRead"],
]);

function derived(field: CounterField, name: string): DomainError {
  const verbs = MOVED_BY.get(name) ?? "PutConnection or DeleteConnections";
  const message = `The counter ${name} follows rows; what moves it is ${verbs}.`;
  return new DomainError("DERIVED_COUNTER", message, { field: fieldOf(field, name) });
}
