import type { CachedTable } from "../../kernel/cached-tables.js";
import type { Db } from "../db/index.js";

/**
 * A cache of one node, kept fresh by the bus. Every change of a key is told to the other nodes, which forget theirs.
 *
 * How old what it answers can be: on the node that changes a key it is never what was before, from the moment `drop` or `put`
 * returns. On the other nodes it is as old as the notice takes, which is a few milliseconds with NATS or between workers. When the
 * notice is lost, or nothing carries it, `through` and what it keeps are at most two seconds behind, always: nodes can be cut
 * off from each other without any of them seeing it at once, so no value is trusted longer because the bus seems well. That
 * costs one load of a key in two seconds on each node that uses it. What was put and is only got, there being nothing to load it
 * from, is kept until its time is up, it is changed, or notices may have been missed.
 *
 * Values are handed out as they are: whoever changes one changes it for all.
 */
export interface Cache<V> {
  readonly name: string;
  /** Whether the server keeps it for itself. */
  readonly internal: boolean;
  /**
   * The value kept for `key`, else what `load` brings, which is kept unless it is undefined. Loads of one key at the same time
   * are one load. A load that fails, or that began before the key was changed, is not kept, and whoever asks after the change is
   * not given it.
   */
  through(key: string, load: () => Promise<V>): V | Promise<V>;
  /** The value kept for `key`; undefined when there is none. */
  get(key: string): V | undefined;
  /** Keeps a value here, for `ttlMs` milliseconds or else as long as the cache says. The other nodes forget theirs, or get it too. */
  put(key: string, value: V, ttlMs?: number): void;
  /** Forgets `key` here at once, and on the other nodes as soon as the bus brings it. */
  drop(key: string): void;
  /** Forgets everything, everywhere. */
  clear(): void;
  /** Adds to a number kept here, which keeps its age; no number yet is 0. Answers the sum. Throws NOT_A_NUMBER. */
  increment(key: string, by?: number): number;
  /** The keys kept here that begin with `prefix`, in the order of their text. */
  keys(prefix?: string): string[];
  stats(): CacheStats;
}

/** What a cache holds, and what it did since the node started. */
export interface CacheStats {
  readonly size: number;
  readonly maxSize: number;
  /** Asked for and found, and not found. */
  readonly hits: number;
  readonly misses: number;
  /** Kept anew. */
  readonly puts: number;
  /** Forgotten because of a change, here or elsewhere. */
  readonly drops: number;
  /** Put out for room or age. */
  readonly evictions: number;
}

/** How much a cache keeps, and how long. */
export interface CacheBounds {
  /** Most keys; the least recently used go first. */
  readonly max: number;
  /** Milliseconds; undefined is until it is changed or goes for room. */
  readonly ttlMs: number | undefined;
}

/** Makes the caches of a node. */
export interface CacheFactory {
  /** A cache that the server keeps for itself: the same one for the same name. */
  create<V>(name: string, bounds: CacheBounds): Cache<V>;
  /** The rows of a table, by key. */
  rows<V>(table: CachedTable, bounds: CacheBounds): RowCache<V>;
  /** A cache of the configuration; `default` is always one. */
  named(name: string): Cache<unknown> | undefined;
  /** All that there are, in the order of their names. */
  list(): Cache<unknown>[];
}

/**
 * Rows of a table, which are read through a cache when the configuration names the table. Only what is committed is kept; inside a
 * transaction that has changed a row, read it directly.
 */
export interface RowCache<V> {
  /** The row of `key`, from memory or by `load`, which is given where to read. */
  read(from: RowSource, key: string, load: (source: { readonly db: Db }) => Promise<V>): V | Promise<V>;
  /** Forgets a row once the change of it is committed. */
  wrote(ctx: { afterCommit(effect: () => void): void }, key: string): void;
  /** Forgets all rows, everywhere. */
  clear(): void;
}

/** Where rows are read. */
export interface RowSource {
  /** For loads that calls share: none of these ends it. */
  readonly database: Db;
  /** The call's own, or its transaction. */
  readonly db?: Db;
}
