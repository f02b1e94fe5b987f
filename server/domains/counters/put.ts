import type { Ctx } from "../../context.js";
import { ConstraintError, retried } from "../../platform/db/index.js";
import { callerAccount } from "../accounts/index.js";
import { noAccount, writable } from "./names.js";
import { countersMoved, toRecord } from "./rows.js";
import { type CounterValues, seenCounters } from "./seen.js";
import * as store from "./store-put.js";

/** Replaces the caller's own counters; the other declared ones that follow no rows become 0. Answers all of them. */
export async function putCounters(ctx: Ctx, input: { counters: Record<string, bigint> }): Promise<CounterValues> {
  const accountId = callerAccount(ctx);
  const names = Object.keys(input.counters);
  writable(ctx, "counters", names);
  const values = names.map((name) => String(input.counters[name]));
  const free = ctx.counters.all().filter(({ derived }) => !derived);
  const put = { accountId, names, values, free: free.map(({ name }) => name) };
  const rows = await retried(() => store.putCounters(ctx, put)).catch((error) => {
    // The account was there when the statement began, and was deleted while it waited.
    if (error instanceof ConstraintError && error.kind === "foreign_key") throw noAccount();
    throw error;
  });
  const record = toRecord(rows);
  countersMoved(ctx, accountId);
  return seenCounters(ctx, accountId, record);
}
