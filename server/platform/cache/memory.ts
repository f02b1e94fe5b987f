import type { CachedTable } from "../../kernel/cached-tables.js";
import type { NamedCache } from "../../kernel/named-cache.js";
import type { Bus } from "../bus/bus.js";
import type { Cache, CacheBounds, CacheFactory, RowCache } from "./cache.js";
import { memoryCache } from "./memory-cache.js";
import { rowCache } from "./rows.js";

export interface MemoryCachesParts {
  bus: Bus;
  /** Tables whose rows are always read through a cache. */
  tables: readonly CachedTable[];
  /** The caches of the configuration. */
  named: ReadonlyMap<string, NamedCache>;
}

/** Caches in this process. Names of the server's own have a dot in them, which those of the configuration have not. */
export function memoryCaches({ bus, tables, named }: MemoryCachesParts): CacheFactory {
  const made = new Map<string, Cache<unknown>>();
  const create: CacheFactory["create"] = <V>(name: string, bounds: CacheBounds) => {
    const known = made.get(name);
    if (known !== undefined) return known as Cache<V>;
    const cache = memoryCache<V>(bus, { ...bounds, name, internal: true, sync: false });
    made.set(name, cache as Cache<unknown>);
    return cache;
  };
  const byTable = new Map<string, RowCache<unknown>>();
  for (const [name, options] of named) made.set(name, memoryCache(bus, { ...options, name, internal: false }));
  return {
    create,
    rows<V>(table: CachedTable, bounds: CacheBounds) {
      const rows = byTable.get(table) ?? rowCache(create(`table.${table}`, bounds), tables.includes(table));
      byTable.set(table, rows);
      return rows as RowCache<V>;
    },
    named: (name) => (named.has(name) ? made.get(name) : undefined),
    list: () => [...made.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}
