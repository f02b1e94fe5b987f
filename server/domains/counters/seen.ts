import type { Ctx } from "../../context.js";
import { isAdmin } from "../../kernel/caller.js";
import { isDerived } from "../../kernel/counters.js";
import type { CounterRecord } from "./rows.js";

/** Counters by name. */
export type CounterValues = Map<string, bigint>;

/**
 * An account's counters as the caller may see them: the declared ones, 0 when they were never raised, and for who sees everything
 * also those of other types of connections that there are.
 */
export function seenCounters(ctx: Ctx, accountId: string, record: CounterRecord): CounterValues {
  const seesAll = isAdmin(ctx.caller) || callerId(ctx) === accountId;
  const value = valueFor(ctx, accountId, record);
  const seen: CounterValues = new Map();
  for (const counter of ctx.counters.all()) {
    if (seesAll || counter.public) seen.set(counter.name, value(counter.name));
  }
  if (!seesAll) return seen;
  for (const name of record.values.keys()) {
    if (!seen.has(name) && isDerived(name) && value(name) !== 0n) seen.set(name, value(name));
  }
  return seen;
}

/** What each counter of an account is to the caller: who is blocked sees what he has done himself as done. */
export function valueFor(ctx: Ctx, accountId: string, record: CounterRecord): (name: string) => bigint {
  const viewerId = callerId(ctx);
  const withheld = viewerId === undefined || viewerId === accountId ? undefined : record.withheld.get(viewerId);
  return (name) => (record.values.get(name) ?? 0n) + (withheld?.get(name) ?? 0n);
}

/** The caller's account; undefined for the operator, who has none. */
export function callerId({ caller }: Pick<Ctx, "caller">): string | undefined {
  return caller.kind === "account" ? caller.accountId : undefined;
}
