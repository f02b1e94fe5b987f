import { fieldError } from "../../kernel/field-error.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { checkDepth, checkText, writtenBytes } from "../../kernel/json-text.js";

const MOST_BYTES = 4 * 1024;
const MOST_LEVELS = 8;

/**
 * The properties of a connection as they are kept. Throws INVALID_FIELD for more than 4 KiB of JSON or 8 levels; NUL_IN_TEXT,
 * INVALID_UTF8.
 */
export function checkProperties(properties: JsonObject | undefined, field: string): JsonObject {
  if (properties === undefined) return {};
  const json = JSON.stringify(properties);
  if (json === "{}") return properties;
  checkText(json, field);
  if (writtenBytes(properties, json) > MOST_BYTES) throw fieldError("INVALID_FIELD", field, "at most 4 KiB as JSON");
  checkDepth(json, field, MOST_LEVELS);
  // What JSON has no word for, such as NaN, is null from here on.
  return JSON.parse(json);
}
