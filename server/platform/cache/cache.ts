/** A read-through cache of one kind of value, kept fresh on every node. */
export interface Cache<V> {
  /** The value kept for `key`, else what `load` brings; loads of one key at the same time are one load. */
  through(key: string, load: () => Promise<V>): V | Promise<V>;
  /** Forgets `key` here at once, and on the other nodes as soon as the bus brings it. */
  drop(key: string): void;
  /** Forgets everything, everywhere. */
  clear(): void;
}

/** Makes the caches of an installation. */
export interface CacheFactory {
  /** `ttlMs` bounds how stale a value can be when the bus has lost a notice. */
  create<V extends object>(name: string, options: { max: number; ttlMs: number }): Cache<V>;
}
