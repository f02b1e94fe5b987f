import type { EraseCtx } from "../../context.js";
import { countersMoved } from "./rows.js";

/** Forgets what is remembered of an account's counters: their rows are deleted with the account's. */
export async function eraseCounters(ctx: EraseCtx, accountId: string): Promise<void> {
  countersMoved(ctx, accountId);
}
