import { type DescField, getOption, hasOption } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { type FieldPath, findField } from "./field-path.js";
import { type HttpRule, http, type Method } from "./house.js";
import { type BytesPlace, bytesPlace } from "./http-body.js";
import { parseTemplate, type Template, type TemplateVariable } from "./template.js";
import { isPlainText, type ReadText, textReader } from "./text-value.js";

/** One way to call a method by REST. */
export interface Binding {
  readonly method: Method;
  /** `*` for any. */
  readonly httpMethod: string;
  readonly template: Template;
  readonly variables: readonly PathVariable[];
  readonly body: "none" | "whole" | DescField;
  /** Where the body stands when it is bytes and not JSON. */
  readonly takesBytes: BytesPlace | undefined;
  /** The field that is the whole answer; the message itself when undefined. */
  readonly responseBody: DescField | undefined;
  /** Where the answer's bytes stand when it is bytes and not JSON. */
  readonly givesBytes: BytesPlace | undefined;
  /** The mask that an update without one is given. */
  readonly updateMask: DescField | undefined;
  /** What a stream is resumed after. */
  readonly afterCursor: FieldPath | undefined;
}

export interface PathVariable {
  readonly path: FieldPath;
  readonly from: TemplateVariable;
  readonly read: ReadText;
  /** The property to set, when any text will do as it is. */
  readonly property: string | undefined;
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
  const { input, output } = method;
  const [httpMethod, text] = patternOf(rule);
  const template = parseTemplate(text);
  const body = rule.body === "" ? "none" : rule.body === "*" ? "whole" : topLevel(input.fields, rule.body, "body");
  const responseBody =
    rule.responseBody === "" ? undefined : topLevel(output.fields, rule.responseBody, "response_body");
  const variables = template.variables.map((variable) => bindVariable(method, variable));
  refuseClashes(variables, body);
  return {
    method,
    httpMethod,
    template,
    variables,
    body,
    takesBytes: body === "none" ? undefined : bytesPlace(input, body === "whole" ? undefined : body),
    responseBody,
    givesBytes: bytesPlace(output, responseBody),
    updateMask: httpMethod === "PATCH" ? onlyMask(input.fields) : undefined,
    afterCursor: method.stream ? findField(input, "after_cursor") : undefined,
  };
}

function patternOf({ pattern }: HttpRule): [httpMethod: string, template: string] {
  if (pattern.case === undefined) throw new Error("the rule has no pattern");
  if (pattern.case !== "custom") return [pattern.case.toUpperCase(), pattern.value];
  const { kind, path } = pattern.value;
  if (!/^(\*|[!#$%&'*+.^_`|~\w-]+)$/.test(kind)) throw new Error(`${JSON.stringify(kind)} is no HTTP method`);
  return [kind, path];
}

function bindVariable({ input }: Method, from: TemplateVariable): PathVariable {
  const path = findField(input, from.field);
  if (path === undefined) throw new Error(`${input.typeName} has no field ${from.field}`);
  const read = path.field.fieldKind === "list" ? undefined : textReader(path.field);
  if (read === undefined) throw new Error(`the field ${from.field} cannot stand in a path`);
  const property = path.fields.length === 1 && isPlainText(path.field) ? path.field.localName : undefined;
  return { path, from, read, property };
}

/** What could only displace each other, on every call. */
function refuseClashes(variables: readonly PathVariable[], body: Binding["body"]): void {
  const names = new Set<string>();
  const oneofs = new Map<unknown, string>();
  for (const { path, from } of variables) {
    // The template knows spellings only, and a field has two.
    if (names.has(path.name)) throw new Error(`${path.name} stands twice`);
    names.add(path.name);
    if (path.field === body) throw new Error(`${from.field} is both in the path and the body`);
    for (const [depth, field] of path.fields.entries()) {
      if (field.oneof === undefined) continue;
      const place = [...path.fields.slice(0, depth), field.oneof].map(({ name }) => name).join(".");
      const other = oneofs.get(place) ?? field.name;
      if (other !== field.name) throw new Error(`only one of ${other} and ${field.name} can be set`);
      oneofs.set(place, field.name);
    }
  }
}

function topLevel(fields: readonly DescField[], name: string, option: string): DescField {
  const field = fields.find((one) => one.name === name);
  if (field === undefined) throw new Error(`${option} names ${name}, which is no field`);
  return field;
}

/** The one field that is a mask; with several nobody could tell which is meant. */
function onlyMask(fields: readonly DescField[]): DescField | undefined {
  const [mask, ...more] = fields.filter(
    (field) => field.fieldKind === "message" && field.message.typeName === FieldMaskSchema.typeName,
  );
  return more.length === 0 && mask?.oneof === undefined ? mask : undefined;
}
