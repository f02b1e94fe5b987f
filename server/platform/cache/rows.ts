import type { Cache, RowCache } from "./cache.js";

/** Reads the rows of a table through `cache`; `always`, or when the read says so. */
export function rowCache<V>(cache: Cache<V>, always: boolean): RowCache<V> {
  return {
    read(from, key, load, options) {
      if (!always && options?.cached !== true) return load({ db: from.db ?? from.database });
      return cache.through(key, () => load({ db: from.database }));
    },
    wrote: (ctx, key) => ctx.afterCommit(() => cache.drop(key)),
    clear: cache.clear,
  };
}
