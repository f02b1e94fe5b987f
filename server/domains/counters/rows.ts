import type { Ctx } from "../../context.js";
import type { Db } from "../../platform/db/index.js";
import { noAccount } from "./names.js";
import * as store from "./store-read.js";

/** An account's counters by name, as they are kept in memory. */
export interface CounterRecord {
  readonly values: ReadonlyMap<string, bigint>;
  /** What some who are blocked have done, each for himself: by his id, then by name. */
  readonly withheld: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
}

/** Above it, telling every node of each costs more than reading anew what is in use. */
const VERY_MANY = 1_000;

/** What is remembered of counters; whoever moves one says so. */
export function counterRows(ctx: Pick<Ctx, "caches">) {
  return ctx.caches.rows<CounterRecord>("counters", { max: 50_000, ttlMs: 2_000 });
}

/** Says that what this call commits has moved counters of an account. */
export function countersMoved(ctx: Pick<Ctx, "caches" | "afterCommit">, accountId: string): void {
  counterRows(ctx).wrote(ctx, accountId);
}

/** The same of many accounts: when they are very many, everything is forgotten. */
export function countersOfAllMoved(ctx: Pick<Ctx, "caches" | "afterCommit">, accountIds: readonly string[]): void {
  if (accountIds.length > VERY_MANY) ctx.afterCommit(() => counterRows(ctx).clear());
  else for (const accountId of accountIds) countersMoved(ctx, accountId);
}

/** An account's counters as the database has them now. Throws ACCOUNT_NOT_FOUND. */
export async function freshCounters(source: { readonly db: Db }, accountId: string): Promise<CounterRecord> {
  return toRecord(await store.readCounters(source, { accountId }));
}

/** The record that rows make. Throws ACCOUNT_NOT_FOUND. */
export function toRecord(rows: readonly store.CounterRow[]): CounterRecord {
  if (rows.length === 0) throw noAccount();
  const values = new Map<string, bigint>();
  const withheld = new Map<string, Map<string, bigint>>();
  for (const { name, value, viewerId } of rows) {
    // The row that says only that there is an account.
    if (name === null) continue;
    if (viewerId === null) {
      values.set(name, value);
      continue;
    }
    const byName = withheld.get(viewerId) ?? new Map<string, bigint>();
    withheld.set(viewerId, byName.set(name, value));
  }
  return { values, withheld };
}
