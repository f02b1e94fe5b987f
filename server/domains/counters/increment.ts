import type { Ctx } from "../../context.js";
import { adminCalled } from "../../kernel/admin-call.js";
import { isAdmin } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { ConstraintError, replayedResource, retried } from "../../platform/db/index.js";
import { accountTopic } from "../../platform/events/index.js";
import { fieldOf, noAccount, whose, writable } from "./names.js";
import { countersMoved, freshCounters } from "./rows.js";
import { type CounterValues, callerId, valueFor } from "./seen.js";
import * as store from "./store-increment.js";

/** The largest whole number, either way, that a counter holds. */
const MOST = BigInt(Number.MAX_SAFE_INTEGER);

const INCREMENT = "backstay.counters.v1.CounterService/IncrementCounters";

type Deltas = Record<string, bigint>;

/** Adds to counters of an account, to all or none of them. Answers what they have become for the caller. */
export async function incrementCounters(
  ctx: Ctx,
  input: { accountId: string; deltas: Deltas },
): Promise<CounterValues> {
  const accountId = whose(ctx, input.accountId);
  const { deltas } = input;
  const names = Object.keys(deltas);
  const free = writable(ctx, "deltas", names);
  const isOwn = accountId === callerId(ctx);
  const unseen = isOwn ? undefined : free.find((counter) => !counter.public);
  if (unseen !== undefined && !isAdmin(ctx.caller)) {
    throw new DomainError("COUNTER_FORBIDDEN", undefined, { field: fieldOf("deltas", unseen.name) });
  }

  const amounts = names.map((name) => String(deltas[name]));
  const own = { accountId, names, amounts };
  // What only an administrator raises is not a person's to refuse by a block.
  const raise = isOwn ? raiseOwn(ctx, own) : raiseOthers(ctx, { ...own, isOfPerson: unseen === undefined });
  const rows = await raise.catch(async (error) => {
    if (!(error instanceof ConstraintError)) throw error;
    // The account was there when the statement began, and was deleted while it waited.
    if (error.kind === "foreign_key") throw noAccount();
    throw error.kind === "not_null" ? await outOfRange(ctx, accountId, deltas) : error;
  });

  if (rows[0]!.account === null) throw noAccount();
  // Who is blocked, and is just being deleted.
  if (rows[0]!.name === null && ctx.idempotency === undefined) throw noAccount();
  if (rows[0]!.name === null) return repeated(ctx, accountId, names);
  countersMoved(ctx, accountId);
  if (!isOwn) ctx.afterCommit(() => ctx.events.wake());
  return new Map(rows.map(({ name, value }) => [name!, value!]));
}

function raiseOwn(ctx: Ctx, own: store.Raise): Promise<store.Raised[]> {
  const key = keyOf(ctx, own.accountId);
  return retried(() => (key === undefined ? store.raiseOwn(ctx, own) : store.raiseOwnOnce(ctx, { ...own, ...key })));
}

async function raiseOthers(
  ctx: Ctx,
  { isOfPerson, ...raise }: store.Raise & { isOfPerson: boolean },
): Promise<store.Raised[]> {
  const { accountId, names, amounts } = raise;
  const actorId = callerId(ctx);
  const others: store.RaiseOthers = {
    ...raise,
    blockableId: isOfPerson ? actorId : undefined,
    eventId: ctx.ids.next(),
    topics: [accountTopic(accountId)],
    eventType: "counter.incr",
    actorId,
    eventData: { deltas: Object.fromEntries(names.map((name, n) => [name, amounts[n]])) },
    at: ctx.clock.now(),
  };
  const key = keyOf(ctx, accountId);
  const raiseBy = (inner: Ctx) =>
    key === undefined ? store.raiseOthers(inner, others) : store.raiseOthersOnce(inner, { ...others, ...key });
  if (isOfPerson) return retried(() => raiseBy(ctx));
  const raised = async (inner: Ctx) => {
    const rows = await raiseBy(inner);
    if (rows[0]!.name !== null) await inner.audit.record(inner, adminCalled(INCREMENT, accountId));
    return rows;
  };
  return ctx.transaction(raised, { retry: 3 });
}

/** What claims the call's idempotency key, if it has one. */
function keyOf(ctx: Ctx, accountId: string) {
  if (ctx.idempotency === undefined) return undefined;
  const { scope, key, hash: requestHash } = ctx.idempotency;
  return { scope, key, requestHash, resourceId: accountId, at: ctx.clock.now() };
}

/** What a repeat answers: the counters as they are now. */
async function repeated(ctx: Ctx, accountId: string, names: readonly string[]): Promise<CounterValues> {
  await replayedResource(ctx, ctx.idempotency!);
  const value = valueFor(ctx, accountId, await freshCounters(ctx, accountId));
  return new Map(names.map((name) => [name, value(name)]));
}

/** Names the counter that would have left its bounds, as long as it still would. */
async function outOfRange(ctx: Ctx, accountId: string, deltas: Deltas): Promise<DomainError> {
  const value = valueFor(ctx, accountId, await freshCounters(ctx, accountId));
  const name = Object.keys(deltas).find((one) => {
    const sum = value(one) + deltas[one]!;
    return sum > MOST || sum < -MOST;
  });
  const field = name === undefined ? "deltas" : fieldOf("deltas", name);
  return new DomainError("COUNTER_OUT_OF_RANGE", undefined, { field });
}
