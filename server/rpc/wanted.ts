import { type DescField, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { type FieldRules, field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { DomainError } from "../kernel/errors.js";
import { fieldError } from "../kernel/field-error.js";

/** WRONG_TYPE of the field at `path`, which says what the field takes. */
export function wrongType(path: string, takes: string): DomainError {
  return fieldError("WRONG_TYPE", path, `must be ${takes}`);
}

/** What a field takes, in words that stand after "must be": `true or false`, `a whole number from 0 to 500`. */
export function wantedOf(field: DescField): string {
  if (field.fieldKind === "list") return `a list, each item ${oneOf(field)}`;
  return field.fieldKind === "map" ? `an object, each value ${oneOf(field)}` : oneOf(field);
}

/** The names of its enum that a field takes; none of a field that is no enum. */
export function namesTaken(field: DescField): string[] {
  const rules = rulesOfOne(field)?.type;
  const refused = rules?.case === "enum" ? rules.value.notIn : [];
  return (field.enum?.values ?? []).filter(({ number }) => !refused.includes(number)).map(({ name }) => name);
}

/** What the value of a field is, or each of its values. */
function oneOf(field: DescField): string {
  if (field.enum !== undefined) return `one of ${namesTaken(field).join(", ")}`;
  const { message } = field;
  if (message === undefined) return scalar(field.scalar!, boundsOfOne(field));
  if (isWrapperDesc(message)) return scalar(message.fields[0]!.scalar!, boundsOfOne(field));
  return MESSAGES[message.typeName] ?? "an object";
}

/** What messages with a JSON of their own are written as. */
const MESSAGES: Readonly<Record<string, string>> = {
  "google.protobuf.Timestamp": "a time like 2026-11-23T10:00:00Z, in the years 1 to 9999",
  "google.protobuf.Duration": "a number of seconds like 1.5s",
  "google.protobuf.FieldMask": "names of fields by comma, like name,phone",
  "google.protobuf.ListValue": "a list",
  "google.protobuf.Value": "a value of JSON",
};

type Bounds = readonly [least: bigint | number, most: bigint | number];

const BITS_32: Bounds = [-(2 ** 31), 2 ** 31 - 1];
const BITS_64: Bounds = [-(2n ** 63n), 2n ** 63n - 1n];

/** The whole numbers that each type holds. */
const WHOLE: Partial<Record<ScalarType, Bounds>> = {
  [ScalarType.INT32]: BITS_32,
  [ScalarType.SINT32]: BITS_32,
  [ScalarType.SFIXED32]: BITS_32,
  [ScalarType.UINT32]: [0, 2 ** 32 - 1],
  [ScalarType.FIXED32]: [0, 2 ** 32 - 1],
  [ScalarType.INT64]: BITS_64,
  [ScalarType.SINT64]: BITS_64,
  [ScalarType.SFIXED64]: BITS_64,
  [ScalarType.UINT64]: [0, 2n ** 64n - 1n],
  [ScalarType.FIXED64]: [0, 2n ** 64n - 1n],
};

function scalar(type: ScalarType, bounds: Bounds | undefined): string {
  const whole = WHOLE[type];
  if (whole !== undefined) return `a whole number from ${(bounds ?? whole).join(" to ")}`;
  if (type === ScalarType.BOOL) return "true or false";
  if (type === ScalarType.STRING) return "text";
  return type === ScalarType.BYTES ? "bytes in base64" : "a number";
}

/** The bounds that the proto gives a number, when it gives both. */
function boundsOfOne(field: DescField): Bounds | undefined {
  const { value } = rulesOfOne(field)?.type ?? {};
  if (value === undefined || !("greaterThan" in value && "lessThan" in value)) return undefined;
  const { greaterThan: low, lessThan: high } = value;
  return low.case === "gte" && high.case === "lte" ? ([low.value, high.value] as Bounds) : undefined;
}

/** The rules of a field's value, or of each of its values. */
function rulesOfOne(field: DescField): FieldRules | undefined {
  if (!hasOption(field, fieldRules)) return undefined;
  const rules = getOption(field, fieldRules);
  if (rules.type.case === "repeated") return rules.type.value.items;
  return rules.type.case === "map" ? rules.type.value.values : rules;
}
