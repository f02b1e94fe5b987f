/** Tables whose rows the server can read through a cache. */
export const CACHED_TABLES = ["accounts", "counters", "grants"] as const;

/** One of them. */
export type CachedTable = (typeof CACHED_TABLES)[number];
