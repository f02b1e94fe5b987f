import { type DescField, getOption, hasOption } from "@bufbuild/protobuf";
import { Violation } from "@bufbuild/protovalidate";
import {
  FieldRulesSchema,
  field as fieldRules,
  RepeatedRulesSchema,
  StringRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, it } from "vitest";
import { plainly } from "../../server/rpc/plain-violation.js";
import { generatedDescriptors } from "../architecture/project.js";

const fields = (await generatedDescriptors()).flatMap(({ messages }) => messages).flatMap((message) => message.fields);
const { string, repeated } = FieldRulesSchema.field;
const { pattern } = StringRulesSchema.field;

/** What is said when a field, or an item of it, does not match its pattern; undefined when it has none. */
function said(field: DescField): string | undefined {
  if (!hasOption(field, fieldRules)) return undefined;
  const { type } = getOption(field, fieldRules);
  const isList = type.case === "repeated";
  const rules = isList ? type.value.items?.type : type;
  if (rules?.case !== "string" || rules.value.pattern === "") return undefined;
  const path = isList ? [repeated, RepeatedRulesSchema.field.items, string, pattern] : [string, pattern];
  return plainly(new Violation("of the library", "string.pattern", [field], path, false));
}

const told = fields.flatMap((field) => {
  const says = said(field);
  return says === undefined ? [] : [[`${field.parent.name}.${field.jsonName}`, says] as const];
});

it("has met patterns of fields and of items", () => {
  expect(new Map(told).get("PutConnectionRequest.type")).toMatch(/^must be of small letters, digits and _, 1 to 32/);
  expect(new Map(told).get("SubscribeRequest.topics")).toMatch(/^must be a topic like chat\/lobby/);
});

it.each(told)("says in words what form %s has", (_, says) => {
  expect(says).toMatch(/^must be /);
});
