import { type JsonObject, ScalarType } from "@bufbuild/protobuf";

/** Scalars as proto JSON writes them: 64 bits do not fit into the numbers of JavaScript and stand as text. */
export const SCALARS: Readonly<Record<ScalarType, JsonObject>> = {
  [ScalarType.DOUBLE]: floating("double"),
  [ScalarType.FLOAT]: floating("float"),
  [ScalarType.INT32]: { type: "integer", format: "int32" },
  [ScalarType.SINT32]: { type: "integer", format: "int32" },
  [ScalarType.SFIXED32]: { type: "integer", format: "int32" },
  [ScalarType.UINT32]: { type: "integer", format: "uint32", minimum: 0 },
  [ScalarType.FIXED32]: { type: "integer", format: "uint32", minimum: 0 },
  [ScalarType.INT64]: { type: "string", format: "int64" },
  [ScalarType.SINT64]: { type: "string", format: "int64" },
  [ScalarType.SFIXED64]: { type: "string", format: "int64" },
  [ScalarType.UINT64]: { type: "string", format: "uint64" },
  [ScalarType.FIXED64]: { type: "string", format: "uint64" },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
};

function floating(format: string): JsonObject {
  return { oneOf: [{ type: "number", format }, { enum: ["NaN", "Infinity", "-Infinity"] }] };
}

/** Messages of google.protobuf whose JSON is not an object of their fields. */
export const WELL_KNOWN: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$", examples: ["1.5s"] },
  "google.protobuf.FieldMask": { type: "string", examples: ["name,author.name"] },
  "google.protobuf.Struct": { type: "object", additionalProperties: true },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array", items: {} },
  "google.protobuf.Any": {
    type: "object",
    properties: { "@type": { type: "string", description: "A URL that ends in the name of the message." } },
    required: ["@type"],
    additionalProperties: true,
  },
};

/** What keys of maps are when they stand as text; other scalars cannot be keys. */
export const MAP_KEYS: Readonly<Partial<Record<ScalarType, JsonObject>>> = {
  [ScalarType.BOOL]: { enum: ["true", "false"] },
  [ScalarType.INT32]: { pattern: "^-?[0-9]+$" },
  [ScalarType.SINT32]: { pattern: "^-?[0-9]+$" },
  [ScalarType.SFIXED32]: { pattern: "^-?[0-9]+$" },
  [ScalarType.INT64]: { pattern: "^-?[0-9]+$" },
  [ScalarType.SINT64]: { pattern: "^-?[0-9]+$" },
  [ScalarType.SFIXED64]: { pattern: "^-?[0-9]+$" },
  [ScalarType.UINT32]: { pattern: "^[0-9]+$" },
  [ScalarType.FIXED32]: { pattern: "^[0-9]+$" },
  [ScalarType.UINT64]: { pattern: "^[0-9]+$" },
  [ScalarType.FIXED64]: { pattern: "^[0-9]+$" },
};

/** The schema with null besides, as a wrapper has it. */
export function nullable(schema: JsonObject): JsonObject {
  if (Array.isArray(schema.oneOf)) return { ...schema, oneOf: [...schema.oneOf, { type: "null" }] };
  return { ...schema, type: [schema.type as string, "null"] };
}
