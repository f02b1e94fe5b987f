/** As many rows as one statement removes that forgets what is past keeping: it is bounded, however much there is. */
export const PRUNE_BATCH = 5_000;

/** Repeats such a statement until nothing is left for it; answers how many rows were removed. The signal ends it between two. */
export async function pruneAll(pruneBatch: () => Promise<{ pruned: bigint }[]>, signal?: AbortSignal): Promise<number> {
  for (let total = 0; ; ) {
    signal?.throwIfAborted();
    const pruned = Number((await pruneBatch())[0]?.pruned ?? 0);
    total += pruned;
    if (pruned < PRUNE_BATCH) return total;
  }
}
