import type { Cache, RowCache } from "./cache.js";

/** Reads the rows of a table through `cache`, or directly when it is not to be cached. */
export function rowCache<V>(cache: Cache<V>, isCached: boolean): RowCache<V> {
  return {
    read(from, key, load) {
      if (!isCached) return load({ db: from.db ?? from.database });
      return cache.through(key, () => load({ db: from.database }));
    },
    wrote: (ctx, key) => ctx.afterCommit(() => cache.drop(key)),
    clear: cache.clear,
  };
}
