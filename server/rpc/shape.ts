import { type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { DomainError, type FieldViolation } from "../kernel/errors.js";
import { fieldError } from "../kernel/field-error.js";
import { hasEscapedNul } from "../kernel/json-text.js";
import { plainly } from "./plain-violation.js";
import { wantedOf, wrongType } from "./wanted.js";

const MOST_OF_KEY = 64;

const patterns = new Map<string, RegExp>();

/** Patterns come from our own protos, so V8's matcher, which is fast and trusts them, is right here. */
function regexMatch(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    // reason: the pattern stands in our own protos, never in a request
    compiled = new RegExp(pattern, "u");
    patterns.set(pattern, compiled);
  }
  return compiled.test(text);
}

const validator = createValidator({ regexMatch });

/**
 * Checks a message against the rules of its proto and for what only the binary form can bring past the reader of JSON: text
 * no database can keep, times that are none. Throws INVALID_FIELD, NUL_IN_TEXT, WRONG_TYPE.
 */
export function checkShape(schema: DescMessage, message: Message): void {
  const fault = findFault(schema, message as unknown as Record<string, unknown>);
  if (fault !== undefined) throw refusal(fault);
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error;
  const fields = result.violations.map(toFieldViolation);
  const first = fields[0]!;
  throw new DomainError("INVALID_FIELD", `${first.field}: ${first.description}`, { fields });
}

/** Compiles the rules of a message before the first call needs them. */
export function warmShape(schema: DescMessage, message: Message): void {
  validator.validate(schema, message);
}

function toFieldViolation(violation: Violation): FieldViolation {
  let field = "";
  for (const step of violation.field) {
    if (step.kind === "list_sub") field += `[${step.index}]`;
    else if (step.kind === "map_sub") field += `[${keyText(step.key)}]`;
    else if (step.kind === "field") field += `${field && "."}${step.jsonName}`;
  }
  return { field, description: plainly(violation) };
}

/** A map's key as a path shows it. One that is too long for its map is not repeated whole: answers have bounds as well. */
function keyText(key: unknown): string {
  if (typeof key !== "string") return String(key);
  return JSON.stringify(key.length > MOST_OF_KEY ? `${key.slice(0, MOST_OF_KEY)}…` : key);
}

interface Fault {
  field: string;
  /** What the field takes instead; undefined when its text has a NUL. */
  takes?: string;
}

function refusal({ field, takes }: Fault): DomainError {
  return takes === undefined ? fieldError("NUL_IN_TEXT", field) : wrongType(field, takes);
}

/** What holds any JSON, and is no message to its reader. */
const FREE_JSON = new Set(["google.protobuf.Struct", "google.protobuf.Value"]);

type Finder = (message: Record<string, unknown>) => Fault | undefined;
const finders = new Map<DescMessage, Finder>();

function findFault(schema: DescMessage, message: Record<string, unknown>): Fault | undefined {
  let finder = finders.get(schema);
  if (finder === undefined) {
    finder = compileFinder(schema);
    finders.set(schema, finder);
  }
  return finder(message);
}

/** The first text with a NUL or time out of range, by its JSON path; compiled once a schema, since every call asks. */
function compileFinder(schema: DescMessage): Finder {
  const checks: Finder[] = [];
  for (const field of schema.fields) {
    const { localName, jsonName } = field;
    const nul = (place: string): Fault => ({ field: place });
    const value = (message: Record<string, unknown>) =>
      field.oneof === undefined ? message[localName] : oneofValue(message[field.oneof.localName], localName);
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.STRING) {
      checks.push((message) => (hasNul(value(message)) ? nul(jsonName) : undefined));
    } else if (field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === ScalarType.STRING) {
      checks.push((message) => {
        const at = (message[localName] as string[]).findIndex(hasNul);
        return at === -1 ? undefined : nul(`${jsonName}[${at}]`);
      });
    } else if (field.fieldKind === "message" && field.message.typeName === TimestampSchema.typeName) {
      checks.push((message) => {
        const time = value(message);
        return time === undefined || isTime(time as Timestamp)
          ? undefined
          : { field: jsonName, takes: wantedOf(field) };
      });
    } else if (field.fieldKind === "message" && isWrapperDesc(field.message)) {
      // Such a field holds what its message wraps.
      checks.push((message) => (hasNul(value(message)) ? nul(jsonName) : undefined));
    } else if (field.fieldKind === "message" && !FREE_JSON.has(field.message.typeName)) {
      checks.push((message) => {
        const inner = value(message);
        if (inner === undefined) return undefined;
        const fault = findFault(field.message, inner as Record<string, unknown>);
        return fault && { ...fault, field: `${jsonName}.${fault.field}` };
      });
    } else if (field.fieldKind !== "scalar" && field.fieldKind !== "enum") {
      // Lists of messages, maps and free JSON are rare in requests: their JSON form is searched.
      checks.push((message) =>
        hasEscapedNul(JSON.stringify(value(message), jsonSafe) ?? "") ? nul(jsonName) : undefined,
      );
    }
  }
  return (message) => {
    for (const check of checks) {
      const fault = check(message);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

function hasNul(text: unknown): boolean {
  return typeof text === "string" && text.includes("\0");
}

/** Whether a time lies in the years 1 to 9999, as the type demands. */
function isTime({ seconds, nanos }: Timestamp): boolean {
  return seconds >= -62_135_596_800n && seconds <= 253_402_300_799n && nanos >= 0 && nanos <= 999_999_999;
}

function oneofValue(oneof: unknown, name: string): unknown {
  const chosen = oneof as { case?: string; value?: unknown };
  return chosen.case === name ? chosen.value : undefined;
}

function jsonSafe(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
