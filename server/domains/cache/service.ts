import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";

type Caches = Ctx["caches"];
type Cache = NonNullable<ReturnType<Caches["named"]>>;

/** A cache as an administrator sees it. */
export type SeenCache = ReturnType<Cache["stats"]> & Pick<Cache, "name" | "internal">;

/** A key of a cache. */
export interface KeyInput {
  cache: string;
  key: string;
}

const DEFAULT_PAGE = 50;

/** Most bytes of JSON that a value may have. */
const MOST_BYTES = 1 << 20;

export function getStats(ctx: Ctx): SeenCache[] {
  return ctx.caches.list().map((cache) => ({ name: cache.name, internal: cache.internal, ...cache.stats() }));
}

export function listKeys(
  ctx: Ctx,
  input: { cache: string; prefix: string; pageSize: number; pageToken: string },
): { keys: string[]; nextPageToken: string } {
  const query = { cache: input.cache, prefix: input.prefix };
  const after = decodePageToken(ctx.key, query, input.pageToken)?.[0];
  const all = openCache(ctx, input.cache).keys(input.prefix);
  const rest = after === undefined ? all : all.filter((key) => key > String(after));
  const keys = rest.slice(0, input.pageSize || DEFAULT_PAGE);
  const isLast = keys.length === rest.length;
  return { keys, nextPageToken: isLast ? "" : encodePageToken(ctx.key, query, [keys.at(-1)!]) };
}

export function get(ctx: Ctx, { cache, key }: KeyInput): unknown {
  const value = openCache(ctx, cache).get(key);
  if (value === undefined) throw new DomainError("CACHE_KEY_NOT_FOUND", undefined, { field: "key" });
  return value;
}

/** Keeps a JSON value, for `ttlMs` milliseconds or else as long as the cache says. */
export function put(ctx: Ctx, input: KeyInput & { value: unknown; ttlMs: number | undefined }): void {
  const cache = openCache(ctx, input.cache);
  if (Buffer.byteLength(JSON.stringify(input.value)) > MOST_BYTES) {
    throw new DomainError("INVALID_FIELD", "The value has more than 1 MiB of JSON.", { field: "value" });
  }
  cache.put(input.key, input.value, input.ttlMs);
}

export function drop(ctx: Ctx, { cache, key }: KeyInput): void {
  openCache(ctx, cache).drop(key);
}

/** Answers the sum. */
export function increment(ctx: Ctx, { cache, key, by }: KeyInput & { by: number }): number {
  return openCache(ctx, cache).increment(key, by);
}

export function clear(ctx: Ctx, name: string): void {
  findCache(ctx, name).clear();
}

/** A cache that may be read and written. Throws CACHE_NOT_FOUND, CACHE_INTERNAL. */
function openCache(ctx: Ctx, name: string): Cache {
  const cache = findCache(ctx, name);
  if (cache.internal) throw new DomainError("CACHE_INTERNAL", undefined, { field: "cache" });
  return cache;
}

function findCache(ctx: Ctx, name: string): Cache {
  const cache = ctx.caches.list().find((one) => one.name === name);
  if (cache === undefined) throw new DomainError("CACHE_NOT_FOUND", undefined, { field: "cache" });
  return cache;
}
