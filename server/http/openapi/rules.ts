import { type DescField, getOption, hasOption, type JsonObject } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import {
  type FieldRules,
  field as fieldRules,
  Ignore,
  type StringRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { namesTaken } from "../../rpc/wanted.js";

/** What buf.validate says of a field that JSON Schema can say too; the server checks all of it. */
export interface Bounds {
  readonly keywords: JsonObject;
  /** Of each item of a list, each value of a map. */
  readonly items: JsonObject;
  /** Whether a message without the field is refused. */
  readonly required: boolean;
}

const NONE: Bounds = { keywords: {}, items: {}, required: false };

export function boundsOf(field: DescField): Bounds {
  if (!hasOption(field, fieldRules)) return NONE;
  const rules = getOption(field, fieldRules);
  if (rules.ignore === Ignore.ALWAYS) return NONE;
  const keywords = { ...keywordsOf(rules), ...enumKeywords(field, rules) };
  const refusesAbsence = rules.ignore !== Ignore.IF_ZERO_VALUE && isImplicit(field) && refusesZero(keywords);
  return { keywords, items: itemKeywords(rules), required: rules.required || refusesAbsence };
}

/** The names that are taken, where some are not. */
function enumKeywords(field: DescField, { type, ignore }: FieldRules): JsonObject {
  const refusesSome = type.case === "enum" && type.value.notIn.length > 0 && ignore !== Ignore.IF_ZERO_VALUE;
  return refusesSome ? { enum: namesTaken(field) } : {};
}

function itemKeywords({ type }: FieldRules): JsonObject {
  if (type.case === "repeated" && type.value.items !== undefined) return keywordsOf(type.value.items);
  if (type.case === "map" && type.value.values !== undefined) return keywordsOf(type.value.values);
  return {};
}

function keywordsOf(rules: FieldRules): JsonObject {
  const keywords = allKeywords(rules);
  if (rules.ignore !== Ignore.IF_ZERO_VALUE) return keywords;
  return Object.fromEntries(Object.entries(keywords).filter(([name]) => PASS_ZERO.test(name)));
}

/** Keywords that empty text, zero and an empty list always meet; a format is not checked by JSON Schema. */
const PASS_ZERO = /^(max|unique|format)/;

function allKeywords({ type }: FieldRules): JsonObject {
  switch (type.case) {
    case "string":
      return stringKeywords(type.value);
    case "int32":
    case "sint32":
    case "sfixed32":
    case "uint32":
    case "fixed32":
    case "float":
    case "double":
      return numberKeywords(type.value);
    case "repeated": {
      const { minItems, maxItems, unique } = type.value;
      return { ...atLeastOne({ minItems, maxItems }), ...(unique && { uniqueItems: true }) };
    }
    case "map":
      return atLeastOne({ minProperties: type.value.minPairs, maxProperties: type.value.maxPairs });
    default:
      // Integers of 64 bits are text in JSON, which has no bounds that count.
      return {};
  }
}

const FORMATS: Readonly<Record<string, string>> = {
  email: "email",
  hostname: "hostname",
  ipv4: "ipv4",
  ipv6: "ipv6",
  uri: "uri",
  uriRef: "uri-reference",
  uuid: "uuid",
};

function stringKeywords({ len, minLen, maxLen, maxBytes, pattern, in: among, wellKnown }: StringRules): JsonObject {
  const format = wellKnown.case && wellKnown.value === true ? FORMATS[wellKnown.case] : undefined;
  return {
    // A character has at least one byte, so the bound in bytes is one in characters, if a loose one.
    ...atLeastOne({ minLength: len || minLen, maxLength: len || maxLen || maxBytes }),
    ...(pattern !== "" && { pattern }),
    ...(among.length > 0 && { enum: among }),
    ...(format !== undefined && { format }),
  };
}

interface NumberRules {
  readonly greaterThan: { case: "gt" | "gte"; value: number } | { case: undefined };
  readonly lessThan: { case: "lt" | "lte"; value: number } | { case: undefined };
  readonly in: number[];
}

function numberKeywords({ greaterThan: low, lessThan: high, in: among }: NumberRules): JsonObject {
  return {
    ...(low.case && { [low.case === "gt" ? "exclusiveMinimum" : "minimum"]: low.value }),
    ...(high.case && { [high.case === "lt" ? "exclusiveMaximum" : "maximum"]: high.value }),
    ...(among.length > 0 && { enum: among }),
  };
}

/** Counts that are set. */
function atLeastOne(counts: Readonly<Record<string, bigint>>): JsonObject {
  const set = Object.entries(counts).filter(([, count]) => count > 0n);
  return Object.fromEntries(set.map(([name, count]) => [name, Number(count)]));
}

/** Whether the field cannot tell zero from absent. */
function isImplicit(field: DescField): boolean {
  return field.presence === FeatureSet_FieldPresence.IMPLICIT;
}

/** Whether zero, empty text or an empty list is out of bounds. */
function refusesZero(keywords: JsonObject): boolean {
  const { minLength, minItems, minProperties, minimum, exclusiveMinimum, enum: among, format } = keywords;
  const least = [minLength, minItems, minProperties, minimum].some((bound) => typeof bound === "number" && bound > 0);
  const more = typeof exclusiveMinimum === "number" && exclusiveMinimum >= 0;
  const listed = Array.isArray(among) && !among.includes("") && !among.includes(0);
  return least || more || listed || format !== undefined;
}
