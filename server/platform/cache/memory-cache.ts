import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import { DomainError } from "../../kernel/errors.js";
import type { Bus } from "../bus/bus.js";
import type { Cache, CacheBounds } from "./cache.js";
import { createChanges, type Heard } from "./changes.js";
import { exactJson } from "./json.js";

export interface MemoryCacheOptions extends CacheBounds {
  readonly name: string;
  readonly internal: boolean;
  /** Whether values that are put travel between the nodes. */
  readonly sync: boolean;
}

/** Age in milliseconds after which `through` loads anew: two seconds are promised, and to load takes a moment. */
const MOST_AGE_MS = 1_800;
/** Bytes of JSON beyond which a value does not travel. */
const MOST_SENT = 64 << 10;

/** Times are of `performance.now()`. */
interface Entry<V> {
  readonly value: V;
  /** Until when `through` takes it, and `get`. */
  readonly freshUntil: number;
  readonly until: number;
}

interface Load<V> {
  readonly promise: Promise<V>;
  readonly freshUntil: number;
}

/** What the nodes tell each other: that a key, or every one, was changed, and what it is now if that travels. */
interface Notice {
  readonly node: string;
  /** Of the changes this node made to the cache, from 1 on. */
  readonly number: number;
  readonly key?: string;
  readonly sent?: { readonly json: string; readonly ttlMs: number | null; readonly heard: Heard };
}

/** A cache in this process, told by the bus what to forget. */
export function memoryCache<V>(bus: Bus, options: MemoryCacheOptions): Cache<V> {
  const { name, internal, max, ttlMs, sync } = options;
  const subject = `cache.${name}`;
  const self = randomUUID();
  const mostAge = Math.min(ttlMs ?? MOST_AGE_MS, MOST_AGE_MS);
  const counts = { hits: 0, misses: 0, puts: 0, drops: 0, evictions: 0 };
  const kept = new LRUCache<string, Entry<V>>({
    max,
    dispose: (_entry, _key, reason) => {
      if (reason === "evict") counts.evictions++;
    },
  });
  const loading = new Map<string, Load<V>>();
  const changes = sync ? createChanges() : undefined;
  let changed = 0;

  const keep = (key: string, entry: Entry<V>) => {
    loading.delete(key);
    kept.set(key, entry);
    counts.puts++;
  };
  const put = (key: string, value: V, ttl: number) => {
    const now = performance.now();
    keep(key, { value, freshUntil: now + Math.min(ttl, mostAge), until: now + ttl });
  };
  const putOut = (key: string) => {
    kept.delete(key);
    counts.evictions++;
  };
  // A load that began before the row changed must not be kept: forgetting a key forgets its load too.
  const forget = (key: string) => {
    loading.delete(key);
    if (kept.delete(key)) counts.drops++;
  };
  const forgetAll = () => {
    loading.clear();
    counts.drops += kept.size;
    kept.clear();
  };

  const tell = (key: string | undefined, sent?: Notice["sent"]) => {
    const notice: Notice = { node: self, number: ++changed, ...(key !== undefined && { key }), ...(sent && { sent }) };
    changes?.note(self, notice.number, key);
    bus.publish(subject, notice);
  };
  const tellPut = (key: string, value: V, ttl: number) => {
    const json = changes && exactJson(value);
    if (json === undefined || Buffer.byteLength(json) > MOST_SENT) return tell(key);
    tell(key, { json, ttlMs: Number.isFinite(ttl) ? ttl : null, heard: changes!.heard() });
  };
  const hear = ({ node, number, key, sent }: Notice) => {
    if (node === self) return;
    const isNewest = sent && key !== undefined && changes?.knewAll(node, sent.heard, key);
    changes?.note(node, number, key);
    if (key === undefined) forgetAll();
    else if (isNewest) put(key, JSON.parse(sent.json) as V, sent.ttlMs ?? Number.POSITIVE_INFINITY);
    else forget(key);
  };
  bus.subscribe(subject, (message) => hear(message as Notice));
  bus.onGap(forgetAll);

  const begin = (key: string, load: () => Promise<V>): Promise<V> => {
    // What it brings may be as old as its beginning.
    const freshUntil = performance.now() + mostAge;
    const promise = load();
    const own = { promise, freshUntil };
    loading.set(key, own);
    const brought = (value: V) => {
      if (loading.get(key) !== own) return;
      loading.delete(key);
      if (value === undefined || performance.now() >= freshUntil) kept.delete(key);
      else keep(key, { value, freshUntil, until: freshUntil });
    };
    const failed = () => {
      if (loading.get(key) === own) loading.delete(key);
    };
    promise.then(brought, failed);
    return promise;
  };

  return {
    name,
    internal,

    through(key, load) {
      const now = performance.now();
      const entry = kept.get(key);
      if (entry !== undefined && now < entry.freshUntil) {
        counts.hits++;
        return entry.value;
      }
      counts.misses++;
      const under = loading.get(key);
      return under !== undefined && now < under.freshUntil ? under.promise : begin(key, load);
    },

    get(key) {
      const entry = kept.get(key);
      if (entry !== undefined && performance.now() < entry.until) {
        counts.hits++;
        return entry.value;
      }
      counts.misses++;
      if (entry !== undefined) putOut(key);
      return undefined;
    },

    put(key, value, ttl = ttlMs ?? Number.POSITIVE_INFINITY) {
      put(key, value, ttl);
      tellPut(key, value, ttl);
    },

    drop(key) {
      forget(key);
      tell(key);
    },

    clear() {
      forgetAll();
      tell(undefined);
    },

    increment(key, by = 1) {
      const now = performance.now();
      const entry = kept.get(key);
      const living = entry !== undefined && now < entry.until ? entry : undefined;
      const sum = addTo(living === undefined ? 0 : living.value, by) as V & number;
      if (living === undefined) {
        const ttl = ttlMs ?? Number.POSITIVE_INFINITY;
        put(key, sum, ttl);
        tellPut(key, sum, ttl);
      } else {
        keep(key, { ...living, value: sum });
        tellPut(key, sum, living.until - now);
      }
      return sum;
    },

    keys(prefix = "") {
      sweep();
      return [...kept.keys()].filter((key) => key.startsWith(prefix)).sort();
    },

    stats() {
      sweep();
      return { size: kept.size, maxSize: max, ...counts };
    },
  };

  /** Puts out what is too old, which otherwise waits until somebody asks for it or its room is needed. */
  function sweep() {
    const now = performance.now();
    for (const [key, { until }] of [...kept.entries()]) if (now >= until) putOut(key);
  }
}

function addTo(value: unknown, by: number): number {
  const sum = typeof value === "number" ? value + by : Number.NaN;
  if (!Number.isFinite(sum)) throw new DomainError("NOT_A_NUMBER");
  return sum;
}
