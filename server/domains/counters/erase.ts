import type { EraseCtx } from "../../context.js";
import type { Db } from "../../platform/db/index.js";
import { countersMoved } from "./rows.js";
import * as store from "./store-erase.js";

/** Forgets what is remembered of an account's counters: their rows are deleted with the account's. */
export async function eraseCounters(ctx: EraseCtx, accountId: string): Promise<void> {
  countersMoved(ctx, accountId);
}

/**
 * Ends the counting for an account whose row is held: who was moving a counter of it is done, and nobody begins. What it did in secret
 * is erased then. For who erases rows that are counted, as that must see all of them.
 */
export async function endCounting(ctx: { readonly db: Db }, accountId: string): Promise<void> {
  await store.holdCounters(ctx, { accountId });
  // By a statement of its own: it is to see what the others have done.
  await store.eraseWithheldBy(ctx, { accountId });
}
