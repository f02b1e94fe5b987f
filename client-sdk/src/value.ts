import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";

/**
 * Any JSON as a field takes it that may hold any: `data` of history, `value` of a cache, the values of a filter. Throws for what
 * JSON has no word for.
 *
 * ```ts
 * await client.history.appendHistory({ type: "level.done", data: valueFromJson({ level: 3, stars: [1, 2] }) });
 * ```
 */
export function valueFromJson(json: JsonValue): Value {
  return fromJson(ValueSchema, json);
}

/** The JSON that such a field holds; undefined when it holds none. */
export function valueToJson(value: Value | undefined): JsonValue | undefined {
  return value && toJson(ValueSchema, value);
}
