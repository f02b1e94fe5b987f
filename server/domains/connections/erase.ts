import type { EraseCtx } from "../../context.js";
import { countersOfAllMoved, holdCounters } from "../counters/index.js";
import { submitErase } from "./jobs.js";
import { eraseBatch } from "./store-erase.js";

/** Connections, more or less, that are erased together with an account; a job erases the others. */
const TOGETHER = 10_000;

/** Erases what an account has made and received, with what that was counted by; nobody is told, as nobody is there. */
export async function eraseConnections(ctx: EraseCtx, accountId: string): Promise<void> {
  let others = await eraseSome(ctx, accountId, TOGETHER);
  if (others.length < TOGETHER) {
    // Whoever was connecting to it holds one of its counters until that is seen here; and after this nobody can take one.
    await holdCounters(ctx, { accountId });
    others = others.concat(await eraseSome(ctx, accountId, TOGETHER));
  }
  countersOfAllMoved(ctx, others);
  if (others.length >= TOGETHER) await submitErase(ctx, accountId);
}

/** Erases until nothing is left, or more than `most` are gone; answers the other account of each. */
async function eraseSome(ctx: EraseCtx, accountId: string, most: number): Promise<string[]> {
  const others: string[] = [];
  for (;;) {
    const rows = await eraseBatch(ctx, { accountId });
    for (const { otherId } of rows) others.push(otherId);
    if (rows.length === 0 || others.length >= most) return others;
  }
}
