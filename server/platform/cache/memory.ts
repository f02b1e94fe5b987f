import { LRUCache } from "lru-cache";
import type { Bus } from "../bus/bus.js";
import type { Cache, CacheFactory } from "./cache.js";

/** Caches in this process, told by the bus what to forget. */
export function memoryCaches(bus: Bus): CacheFactory {
  const made = new Map<string, Cache<object>>();
  return {
    create<V extends object>(name: string, options: { max: number; ttlMs: number }): Cache<V> {
      const known = made.get(name);
      if (known !== undefined) return known as Cache<V>;
      const cache = memoryCache<V>(bus, `cache.${name}`, options);
      made.set(name, cache as Cache<object>);
      return cache;
    },
  };
}

function memoryCache<V extends object>(bus: Bus, subject: string, options: { max: number; ttlMs: number }): Cache<V> {
  const kept = new LRUCache<string, V>({ max: options.max, ttl: options.ttlMs, ttlResolution: 50 });
  const loading = new Map<string, Promise<V>>();

  // A load that began before the row changed must not be kept: forgetting a key forgets its loads too.
  const forget = (key: string | undefined) => {
    if (key === undefined) {
      kept.clear();
      loading.clear();
      return;
    }
    kept.delete(key);
    loading.delete(key);
  };
  bus.subscribe(subject, (message) => forget((message as { key?: string }).key));

  const load = async (key: string, loader: () => Promise<V>): Promise<V> => {
    const promise = loader();
    loading.set(key, promise);
    try {
      const value = await promise;
      if (loading.get(key) === promise) kept.set(key, value);
      return value;
    } finally {
      if (loading.get(key) === promise) loading.delete(key);
    }
  };

  return {
    through: (key, loader) => kept.get(key) ?? loading.get(key) ?? load(key, loader),
    drop(key) {
      forget(key);
      bus.publish(subject, { key });
    },
    clear() {
      forget(undefined);
      bus.publish(subject, {});
    },
  };
}
