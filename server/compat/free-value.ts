import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { DomainError } from "../kernel/errors.js";
import { checkText } from "../kernel/json-text.js";

/**
 * Any JSON value as a message carries it. Throws INVALID_FIELD for more levels than a message can have, NUL_IN_TEXT,
 * INVALID_UTF8.
 */
export function freeValue(name: string, json: JsonValue): Value {
  let value: Value;
  try {
    value = fromJson(ValueSchema, json);
  } catch {
    throw new DomainError("INVALID_FIELD", `The parameter ${name} has too many levels.`, { field: name });
  }
  checkText(JSON.stringify(json), name);
  return value;
}
