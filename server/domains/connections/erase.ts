import type { EraseCtx } from "../../context.js";
import { blockersOf } from "../blocks/index.js";
import { countersOfAllMoved, endCounting } from "../counters/index.js";
import { eraseFound } from "./erase-found.js";
import { submitErase } from "./jobs.js";
import { BATCH, findSome } from "./store-erase.js";

/** As many are named who are not to hear of it; where there are more, nobody does. */
const MOST_UNHEARD = 1_000;

/**
 * Erases what an account has made and received, with what that was counted by; who saw what it made is told.
 *
 * Where that is much a job does it: a transaction that went through others' counters batch by batch would meet another one that does
 * the same in another order. It comes when nobody knows any more who blocked the account, so it is told who they were.
 */
export async function eraseConnections(ctx: EraseCtx, accountId: string): Promise<void> {
  const before = await eraseFew(ctx, accountId);
  // Whoever was connecting to it holds one of its counters until that is seen here; and after this nobody can take one.
  await endCounting(ctx, accountId);
  const since = before && (await eraseFew(ctx, accountId));
  if (since === undefined) await submitErase(ctx, accountId, await blockersOf(ctx, accountId, MOST_UNHEARD));
  ctx.afterCommit(() => ctx.events.wake());
  countersOfAllMoved(ctx, [...(before ?? []), ...(since ?? [])]);
}

/** Erases all that is seen, if it is no more than a batch; answers the other account of each. */
async function eraseFew(ctx: EraseCtx, accountId: string): Promise<string[] | undefined> {
  const found = await findSome(ctx, { accountId });
  if (found.length === 0) return [];
  return found.length < BATCH ? eraseFound(ctx, accountId, found) : undefined;
}
