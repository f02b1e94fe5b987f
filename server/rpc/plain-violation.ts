import { type DescField, getOption } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Violation } from "@bufbuild/protovalidate";
import { FieldRulesSchema, field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { namesTaken } from "./wanted.js";

/** A rule that was broken. */
interface Broken {
  /** The field whose rule it is. */
  readonly field: DescField;
  /** What the rule says, such as the most characters. */
  readonly says: unknown;
  /** What another rule beside it says, by its name in the proto. */
  beside(name: string): unknown;
}

/**
 * What is wrong with a field, as a person would say it after the field's name. The words of the library stand for rules that are
 * in no row of the table, such as those a proto writes a message for.
 */
export function plainly(violation: Violation): string {
  const say = SAYINGS[violation.ruleId];
  const field = violation.field.findLast((step): step is DescField => step.kind === "field");
  return say === undefined || field === undefined ? violation.message : say(brokenRule(violation, field));
}

const range = ({ says, beside }: Broken) => `must be from ${says} to ${beside("lte")}`;
const oneOfNames = ({ field }: Broken) => `must be one of ${namesTaken(field).join(", ")}`;
const atLeast = (unit: string) => (rule: Broken) =>
  rule.says === 1n ? "must not be empty" : `must have at least ${rule.says} ${unit}s`;
const atMost = (unit: string) => (rule: Broken) =>
  `must have at most ${rule.says} ${unit}${rule.says === 1n ? "" : "s"}`;

/** By the id of the rule. */
const SAYINGS: Readonly<Record<string, (rule: Broken) => string>> = {
  required: () => "is missing",
  "string.min_len": atLeast("character"),
  "string.max_len": atMost("character"),
  "string.max_bytes": atMost("byte"),
  "string.email": () => "must be an e-mail address",
  "string.email_empty": () => "must not be empty",
  "string.pattern": ({ says }) => form(String(says)),
  "string.in": ({ says }) => `must be one of ${[...(says as Iterable<string>)].filter((one) => one !== "").join(", ")}`,
  "repeated.min_items": atLeast("item"),
  "repeated.max_items": atMost("item"),
  "repeated.unique": () => "must have no item twice",
  "map.min_pairs": atLeast("item"),
  "map.max_pairs": atMost("item"),
  "enum.defined_only": oneOfNames,
  "enum.not_in": oneOfNames,
  "int32.gte_lte": range,
  "int64.gte_lte": range,
};

/** The patterns of our protos in words, without what lets them be empty as well. */
const FORMS: Readonly<Record<string, string>> = {
  "[a-z0-9_-]{1,64}": "of small letters, digits, _ and -, 1 to 64 of them",
  "[a-z][a-z0-9_]{0,31}": "of small letters, digits and _, 1 to 32 of them, the first a letter",
  "[a-z][a-z0-9_-]{0,62}": "of small letters, digits, _ and -, 1 to 63 of them, the first a letter",
  "[a-z][a-z0-9_-]{0,31}(/[A-Za-z0-9._-]{1,64}){1,4}": "a topic like chat/lobby: 2 to 5 parts between slashes",
  "([a-z][a-z0-9_]{0,31}\\.)+[a-z][a-z0-9_]{0,31}": "a type of event like chat.said",
  "([a-z][a-z0-9_]{0,31}\\.)+(\\*|[a-z][a-z0-9_]{0,31})":
    "a type of event like chat.said, or a group of them like chat.*",
  "[A-Za-z][A-Za-z0-9_-]*(\\.[A-Za-z0-9_-]+){0,7}": "the name of a job like mail.send",
  "[A-Za-z0-9_.:/*]{1,128}": "a scope like messages:read",
};

function form(pattern: string): string {
  const [, body] = /^\^\((.*)\)\?\$$/.exec(pattern) ?? /^\^(.*)\$$/.exec(pattern) ?? [];
  const words = body === undefined ? undefined : FORMS[body];
  return words === undefined ? `has a form that is not allowed: it must match ${pattern}` : `must be ${words}`;
}

function brokenRule({ rule }: Violation, field: DescField): Broken {
  let rules: ReflectMessage = reflect(FieldRulesSchema, getOption(field, fieldRules));
  let says: unknown = rules;
  for (const step of rule) {
    if (step.kind !== "field") continue;
    says = rules.get(step);
    if (step.fieldKind === "message") rules = says as ReflectMessage;
  }
  const beside = (name: string) => {
    const other = rules.fields.find((one) => one.name === name);
    return other && rules.get(other);
  };
  return { field, says, beside };
}
