import { type DescField, getOption, hasOption } from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb.js";
import type { HttpRule } from "#gen/google/api/http_pb.js";
import type { Method } from "../../rpc/methods.js";
import { type FieldPath, findField } from "./field-path.js";
import { parseTemplate, type Template, type TemplateVariable } from "./template.js";
import { type ReadText, textReader } from "./text-value.js";

/** One way to call a method by REST. */
export interface Binding {
  readonly method: Method;
  /** `*` for any. */
  readonly httpMethod: string;
  readonly template: Template;
  readonly variables: readonly PathVariable[];
  readonly body: "none" | "whole" | DescField;
  /** The field that is the whole answer; the message itself when undefined. */
  readonly responseBody: DescField | undefined;
}

export interface PathVariable {
  readonly path: FieldPath;
  readonly from: TemplateVariable;
  readonly read: ReadText;
}

/** The bindings a method's proto declares. Throws, naming the method, when one cannot be. */
export function bindingsOf(method: Method): Binding[] {
  if (!hasOption(method.descriptor, http)) return [];
  const rule = getOption(method.descriptor, http);
  try {
    return [rule, ...rule.additionalBindings].map((one) => {
      if (one !== rule && one.additionalBindings.length > 0)
        throw new Error("additional bindings have none of their own");
      return bind(method, one);
    });
  } catch (error) {
    throw new Error(`${method.name} cannot be bound to HTTP: ${(error as Error).message}`, { cause: error });
  }
}

function bind(method: Method, rule: HttpRule): Binding {
  const [httpMethod, text] = patternOf(rule);
  const template = parseTemplate(text);
  return {
    method,
    httpMethod,
    template,
    variables: template.variables.map((variable) => bindVariable(method, variable)),
    body: rule.body === "" ? "none" : rule.body === "*" ? "whole" : topLevel(method.input.fields, rule.body, "body"),
    responseBody:
      rule.responseBody === "" ? undefined : topLevel(method.output.fields, rule.responseBody, "response_body"),
  };
}

function patternOf({ pattern }: HttpRule): [httpMethod: string, template: string] {
  if (pattern.case === undefined) throw new Error("the rule has no pattern");
  if (pattern.case === "custom") return [pattern.value.kind, pattern.value.path];
  return [pattern.case.toUpperCase(), pattern.value];
}

function bindVariable({ input }: Method, from: TemplateVariable): PathVariable {
  const path = findField(input, from.field);
  if (path === undefined) throw new Error(`${input.typeName} has no field ${from.field}`);
  const read = path.field.fieldKind === "list" ? undefined : textReader(path.field);
  if (read === undefined) throw new Error(`the field ${from.field} cannot stand in a path`);
  return { path, from, read };
}

function topLevel(fields: readonly DescField[], name: string, option: string): DescField {
  const field = fields.find((one) => one.name === name);
  if (field === undefined) throw new Error(`${option} names ${name}, which is no field`);
  return field;
}
