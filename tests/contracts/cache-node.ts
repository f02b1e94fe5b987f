import type { Cache } from "../../server/platform/cache/cache.js";

/** One node's cache, as a test drives it also in another process. Values are JSON. */
export interface CacheNode {
  /** Reads `key` through the cache; what is loaded is `truth`. */
  through(key: string, truth: unknown): Promise<unknown>;
  /** Begins to read `key` through the cache, by a load that `end` ends. */
  begin(key: string): Promise<void>;
  /** Ends that load with what it brings; answers what the reader got. */
  end(key: string, brought: unknown): Promise<unknown>;
  /** Null when there is none. */
  get(key: string): Promise<unknown>;
  put(key: string, value: unknown): Promise<void>;
  /** Puts a value that is no JSON: a moment. */
  putMoment(key: string): Promise<void>;
  drop(key: string): Promise<void>;
  clear(): Promise<void>;
  increment(key: string): Promise<number>;
}

/** Drives a cache of this process. */
export function cacheNode(cache: Cache<unknown>): CacheNode {
  const begun = new Map<string, { end: (value: unknown) => void; answer: Promise<unknown> }>();
  return {
    through: async (key, truth) => cache.through(key, async () => truth),
    async begin(key) {
      const { promise, resolve } = deferred();
      begun.set(key, { end: resolve, answer: Promise.resolve(cache.through(key, () => promise)) });
    },
    async end(key, brought) {
      begun.get(key)!.end(brought);
      return begun.get(key)!.answer;
    },
    get: async (key) => cache.get(key) ?? null,
    put: async (key, value) => cache.put(key, value),
    putMoment: async (key) => cache.put(key, new Date(0)),
    drop: async (key) => cache.drop(key),
    clear: async () => cache.clear(),
    increment: async (key) => cache.increment(key),
  };
}

/** A promise that is settled from outside. */
export interface Deferred {
  promise: Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export function deferred(): Deferred {
  const made = {} as Deferred;
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
