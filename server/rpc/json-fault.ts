import { type DescField, type DescMessage, fromJson, type JsonValue, type Registry } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { DomainError } from "../kernel/errors.js";
import { wantedOf, wrongType } from "./wanted.js";

/** How JSON is read. */
export interface JsonReading {
  readonly ignoreUnknownFields: boolean;
  readonly registry?: Registry;
}

/** As deep as the library reads; what lies below is not looked at. */
const MAX_DEPTH = 100;

/**
 * Why the library could not read this text as JSON of `schema`. It tells so only in words, which repeat values and leave
 * out where they stand; so the JSON is walked beside its descriptor until the fault is found again. What is told of it are
 * names, never a value, which may be a secret.
 */
export function jsonFault(schema: DescMessage, text: string, error: unknown, reading: JsonReading): DomainError {
  const malformed = new DomainError("MALFORMED_BODY", `The body is not the JSON of a ${schema.typeName}.`);
  const { message } = error as Error;
  if (/maximum recursion depth of \d+ reached$/.test(message)) return malformed;
  const twice = /duplicate object key "([^"]*)"$/.exec(message)?.[1];
  if (twice !== undefined) return givenTwice(twice);
  let json: JsonValue;
  try {
    json = JSON.parse(text);
  } catch {
    return malformed;
  }
  if (!isObject(json) || hasCustomJsonRepresentation(schema)) return malformed;
  return faultOfMessage({ schema, path: "", depth: 1, reading }, json) ?? malformed;
}

/** Where a message stands in the body. */
interface Place {
  readonly schema: DescMessage;
  /** Empty for the body itself. */
  readonly path: string;
  readonly depth: number;
  readonly reading: JsonReading;
}

/** The first fault of a message, in the order in which the library meets them. */
function faultOfMessage(place: Place, json: JsonValue): DomainError | undefined {
  const { schema, path, depth, reading } = place;
  if (depth > MAX_DEPTH) return undefined;
  if (!isObject(json)) return wrongType(path, "an object");
  const seen = new Set<DescField>();
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find((one) => one.jsonName === key || one.name === key);
    if (field === undefined) {
      if (reading.ignoreUnknownFields || isExtension(key, reading)) continue;
      return key.isWellFormed() ? unknownField(join(path, key)) : new DomainError("INVALID_UTF8");
    }
    const name = join(path, field.jsonName);
    if (seen.has(field)) return givenTwice(name);
    // A null that the library passes over sets no member of a oneof.
    if (value === null && field.oneof !== undefined && field.fieldKind === "scalar") continue;
    const other = field.oneof?.fields.find((one) => seen.has(one));
    if (other !== undefined) return onlyOneOf(other, field, name);
    seen.add(field);
    const fault = value === null ? undefined : faultOfField(place, field, name, value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** The fault of a field: inside of it when messages are, otherwise that of its value as a whole. */
function faultOfField(place: Place, field: DescField, path: string, json: JsonValue): DomainError | undefined {
  const { message } = field;
  if (message === undefined || hasCustomJsonRepresentation(message)) return faultOfValue(place, field, path, json);
  const inner = { ...place, schema: message, depth: place.depth + 1 };
  if (field.fieldKind === "message") return faultOfMessage({ ...inner, path }, json);
  if (field.fieldKind === "list") {
    if (!Array.isArray(json)) return wrongType(path, wantedOf(field));
    return firstOf(json.entries(), ([index, item]) => faultOfMessage({ ...inner, path: `${path}[${index}]` }, item));
  }
  if (!isObject(json)) return wrongType(path, wantedOf(field));
  // The keys of a map are its caller's words, and stand in no path; they may be wrong as well as what they lead to.
  const keys = Object.fromEntries(Object.keys(json).map((key) => [key, {}]));
  return (
    firstOf(Object.values(json), (item) => faultOfMessage({ ...inner, path }, item)) ??
    faultOfValue(place, field, path, keys)
  );
}

function firstOf<T>(items: Iterable<T>, find: (item: T) => DomainError | undefined): DomainError | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Asks the library about one field alone. */
function faultOfValue(
  { schema, reading }: Place,
  field: DescField,
  path: string,
  json: JsonValue,
): DomainError | undefined {
  try {
    fromJson(schema, { [field.jsonName]: json }, reading);
    return undefined;
  } catch (error) {
    if (!(error as Error).message.endsWith("invalid UTF8")) return wrongType(path, wantedOf(field));
    return new DomainError("INVALID_UTF8", undefined, { field: path });
  }
}

function isObject(json: JsonValue): json is { [key: string]: JsonValue } {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function isExtension(key: string, { registry }: JsonReading): boolean {
  return key.startsWith("[") && key.endsWith("]") && registry?.getExtension(key.slice(1, -1)) !== undefined;
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function unknownField(field: string): DomainError {
  return new DomainError("UNKNOWN_FIELD", `There is no field ${field}.`, { field });
}

function givenTwice(field: string): DomainError {
  return new DomainError("MALFORMED_BODY", `The field ${field} is given twice.`, { field });
}

function onlyOneOf(one: DescField, other: DescField, field: string): DomainError {
  const description = `Only one of ${one.localName} and ${other.localName} can be given.`;
  return new DomainError("INVALID_FIELD", description, { field });
}
