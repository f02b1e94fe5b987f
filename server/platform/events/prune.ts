import { pruneAll } from "../db/batches.js";
import type { Db } from "../db/db.js";
import { findTopics, pruneByAge, pruneByCount, readHead } from "./store.js";

/** So many offsets are looked through at once for the topics that were written to. */
const WINDOW = 20_000;

/** Forgets events that are past keeping; answers how many. The signal ends it between two statements. */
export type EventPruner = (
  ctx: { readonly db: Db; readonly signal?: AbortSignal },
  keep: { before: Date; perTopic: number },
) => Promise<number>;

/** Each statement of it is small, so that a large log is pruned as well as a small one. It counts what came since it ran last. */
export function eventPruner(): EventPruner {
  let counted = 0;
  return async (ctx, { before, perTopic }) => {
    let pruned = await pruneAll(() => pruneByAge(ctx, { before }), ctx.signal);
    const last = Number((await readHead(ctx, {}))[0]?.lastOffset ?? 0);
    while (counted < last) {
      const upTo = Math.min(counted + WINDOW, last);
      for (const { topic } of await findTopics(ctx, { after: counted, upTo })) {
        pruned += await pruneAll(() => pruneByCount(ctx, { topic, perTopic }), ctx.signal);
      }
      counted = upTo;
    }
    return pruned;
  };
}
