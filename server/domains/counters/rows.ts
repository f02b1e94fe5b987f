import type { Ctx } from "../../context.js";

/** An account's counters by name, as they are kept in memory. */
export interface CounterRecord {
  readonly values: ReadonlyMap<string, bigint>;
  /** What some who are blocked have done, each for himself: by his id, then by name. */
  readonly withheld: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
}

/** What is remembered of counters; whoever moves one says so. */
export function counterRows(ctx: Pick<Ctx, "caches">) {
  return ctx.caches.rows<CounterRecord>("counters", { max: 50_000, ttlMs: 2_000 });
}

/** Says that what this call commits has moved counters of an account. */
export function countersMoved(ctx: Pick<Ctx, "caches" | "afterCommit">, accountId: string): void {
  counterRows(ctx).wrote(ctx, accountId);
}
