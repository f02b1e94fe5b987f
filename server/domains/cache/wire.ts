import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type CacheStats, CacheStatsSchema } from "#gen/backstay/cache/v1/cache_pb.js";
import { DomainError } from "../../kernel/errors.js";

import type { SeenCache } from "./service.js";

/** A cache with what it counts. */
export function toStats(cache: SeenCache): CacheStats {
  const { name, internal, size, maxSize, hits, misses, puts, drops, evictions } = cache;
  const counts = { size, maxSize, hits, misses, puts, drops, evictions };
  const big = Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, BigInt(count)]));
  return create(CacheStatsSchema, { name, internal, ...big });
}

/** The JSON of a value on the wire. Throws INVALID_FIELD for what is none, such as NaN. */
export function fromValue(value: Value): JsonValue {
  try {
    return toJson(ValueSchema, value);
  } catch {
    throw new DomainError("INVALID_FIELD", "The value is not JSON.", { field: "value" });
  }
}

/** What a cache holds, on the wire. What an app keeps need not be JSON; of what is not, the text is shown. */
export function toValue(held: unknown): Value {
  const json = jsonOf(held);
  return fromJson(ValueSchema, json === undefined ? String(held) : json);
}

function jsonOf(held: unknown): JsonValue | undefined {
  try {
    const text = JSON.stringify(held);
    return text === undefined ? undefined : (JSON.parse(text) as JsonValue);
  } catch {
    return undefined;
  }
}
