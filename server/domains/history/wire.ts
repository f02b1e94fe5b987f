import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { timestampFromDate, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type HistoryEntry, HistoryEntrySchema } from "#gen/backstay/history/v1/history_pb.js";
import { fieldError } from "../../kernel/field-error.js";
import type { Entry } from "./service.js";

/** An entry on the wire. */
export function toEntry({ id, type, data, createdAt }: Entry): HistoryEntry {
  const createTime = timestampFromDate(createdAt);
  const value = data === null ? undefined : fromJson(ValueSchema, JSON.parse(data));
  return create(HistoryEntrySchema, { id, type, createTime, ...(value && { data: value }) });
}

/** A value as JSON has it. Throws INVALID_FIELD for what binary messages can say and JSON cannot: no value at all, or not a number. */
export function fromValue(value: Value): JsonValue {
  try {
    return toJson(ValueSchema, value);
  } catch {
    throw fieldError("INVALID_FIELD", "data", "not a value of JSON");
  }
}
