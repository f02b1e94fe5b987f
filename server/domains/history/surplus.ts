import { type Db, pruneAll } from "../../platform/db/index.js";
import * as store from "./store-retention.js";

/** What pruning gets: the signal ends it between two statements. */
interface PruneCtx {
  readonly db: Db;
  readonly signal: AbortSignal;
}

/** Forgets what accounts have beyond their newest `most` entries; `now` is the time of the run. */
export type SurplusPruner = (ctx: PruneCtx, keep: { most: number; now: Date }) => Promise<void>;

const NOBODY = "0".repeat(32);
/** Accounts that one statement walks over. */
const WALK = 1_000;
/** Places of the index that one statement looks at, more or less, to tell who has too many. */
const LOOK = 200_000;
/** Entries of so much time are looked through at once. */
const WINDOW_MS = 60_000;
/** How much later than it was written an entry may be seen: by a commit that took long, and by clocks that differ. */
const LATE_MS = 600_000;

/**
 * A pruner for one process. Its first run looks at every account, since who has too many may be anybody: nobody knows what was kept
 * before. Later ones look at those alone that were written to since.
 */
export function surplusPruner(): SurplusPruner {
  let seen: Date | undefined;
  return async (ctx, { most, now }) => {
    const accounts = seen === undefined ? everyone(ctx) : writersSince(ctx, seen, now);
    for await (const accountIds of accounts) await prune(ctx, accountIds, most);
    seen = new Date(now.getTime() - LATE_MS);
  };
}

async function* everyone(ctx: PruneCtx): AsyncGenerator<string[]> {
  for (let after = NOBODY; ; ) {
    const walked = (await store.walkAccounts(ctx, { after, limit: WALK })).map(({ accountId }) => accountId);
    yield walked;
    if (walked.length < WALK) return;
    after = walked.at(-1)!;
  }
}

async function* writersSince(ctx: PruneCtx, since: Date, now: Date): AsyncGenerator<string[]> {
  for (let from = since; ; ) {
    const end = new Date(from.getTime() + WINDOW_MS);
    // The last window is open: a clock elsewhere may be ahead of ours.
    const to = end < now ? end : undefined;
    yield (await store.findWriters(ctx, { from, to })).map(({ accountId }) => accountId);
    if (to === undefined) return;
    from = to;
  }
}

async function prune(ctx: PruneCtx, accountIds: readonly string[], most: number): Promise<void> {
  const size = Math.max(1, Math.floor(LOOK / most));
  for (let n = 0; n < accountIds.length; n += size) {
    ctx.signal.throwIfAborted();
    const surplus = await store.findSurplus(ctx, { accountIds: accountIds.slice(n, n + size), most });
    for (const { accountId } of surplus) {
      await pruneAll(() => store.pruneByCount(ctx, { accountId, most }), ctx.signal);
    }
  }
}
