import type { Db } from "../db/db.js";
import { findTopics, PRUNE_BATCH, pruneByAge, pruneByCount, readHead } from "./store.js";

/** So many offsets are looked through at once for the topics that were written to. */
const WINDOW = 20_000;

/** Forgets events that are past keeping; answers how many. */
export type EventPruner = (ctx: { readonly db: Db }, keep: { before: Date; perTopic: number }) => Promise<number>;

/** Each statement of it is small, so that a large log is pruned as well as a small one. It counts what came since it ran last. */
export function eventPruner(): EventPruner {
  let counted = 0;
  return async (ctx, { before, perTopic }) => {
    let pruned = await untilDone(() => pruneByAge(ctx, { before }));
    const last = Number((await readHead(ctx, {}))[0]?.lastOffset ?? 0);
    while (counted < last) {
      const upTo = Math.min(counted + WINDOW, last);
      for (const { topic } of await findTopics(ctx, { after: counted, upTo })) {
        pruned += await untilDone(() => pruneByCount(ctx, { topic, perTopic }));
      }
      counted = upTo;
    }
    return pruned;
  };
}

async function untilDone(pruneBatch: () => Promise<{ pruned: bigint }[]>): Promise<number> {
  for (let total = 0; ; ) {
    const pruned = Number((await pruneBatch())[0]?.pruned ?? 0);
    total += pruned;
    if (pruned < PRUNE_BATCH) return total;
  }
}
