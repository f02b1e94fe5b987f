import type { Ports } from "../context.js";

/** A cache of the configuration, as an app's code uses it. Keys are texts of 1 to 512 characters, values JSON. */
export interface AppCache {
  get(key: string): Promise<unknown>;
  getCached(key: string, load: () => Promise<unknown>): Promise<unknown>;
  put(key: string, value: unknown, ttlMs?: number): Promise<void>;
  del(key: string): Promise<void>;
  /** Throws NOT_A_NUMBER. */
  incr(key: string, by: number): Promise<number>;
  clear(): Promise<void>;
}

const MOST_KEY = 512;

/** The cache of that name. Throws when there is none. */
export function appCache(caches: Ports["caches"], name: string): AppCache {
  const cache = caches.named(name);
  if (cache === undefined) throw new Error(`app.cache: there is no cache ${name}; see the setting caches`);
  return {
    get: async (key) => cache.get(known(key)),
    getCached: async (key, load) => cache.through(known(key), load),
    put: async (key, value, ttlMs) => cache.put(known(key), value, ttlMs),
    del: async (key) => cache.drop(known(key)),
    incr: async (key, by) => cache.increment(known(key), by),
    clear: async () => cache.clear(),
  };
}

/** The same from a process that has no caches: each call is the server's to do, by the name of what it is. */
export function remoteCache(
  name: string,
  call: (operation: string, ...values: unknown[]) => Promise<unknown>,
): AppCache {
  const ask = (operation: string, ...values: unknown[]) => call("cache", name, operation, ...values);
  return {
    get: (key) => ask("get", known(key)),
    // What is loaded here is not kept: nobody could tell whether it has been overtaken by a change.
    async getCached(key, load) {
      const kept = await ask("get", known(key));
      return kept === undefined ? load() : kept;
    },
    put: (key, value, ttlMs) => ask("put", known(key), JSON.parse(JSON.stringify(value)), ttlMs) as Promise<void>,
    del: (key) => ask("del", known(key)) as Promise<void>,
    incr: (key, by) => ask("incr", known(key), by) as Promise<number>,
    clear: () => ask("clear") as Promise<void>,
  };
}

const OPERATIONS = ["get", "put", "del", "incr", "clear"] as const;

/** Does what `remoteCache` asks. */
export function answerCache(caches: (name: string) => AppCache) {
  return (name: string, operation: (typeof OPERATIONS)[number], ...values: never[]): unknown => {
    if (!OPERATIONS.includes(operation)) throw new Error(`a cache does not ${operation}`);
    return (caches(name)[operation] as (...values: never[]) => unknown)(...values);
  };
}

function known(key: string): string {
  if (typeof key === "string" && key.length > 0 && key.length <= MOST_KEY) return key;
  throw new TypeError(`app.cache: a key is a text of 1 to ${MOST_KEY} characters`);
}
