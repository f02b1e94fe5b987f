import { type DescField, type DescMessage, type DescMethod, getOption } from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb.js";
import type { HttpRule } from "#gen/google/api/http_pb.js";

type Json = Record<string, unknown>;

export interface RestRequest {
  method: string;
  path: string;
  body: unknown;
}

/** Every way in which a method's proto lets it be called by REST. */
export function rulesOf(method: DescMethod): HttpRule[] {
  const rule = getOption(method, http);
  return rule.pattern.case === undefined ? [] : [rule, ...rule.additionalBindings];
}

/**
 * Spells a request, given in proto JSON, as a rule would have a caller spell it: what the template names goes into the path,
 * what the rule calls body into the body, and the rest into the query. Undefined when the rule cannot carry the request.
 */
export function restRequest(method: DescMethod, rule: HttpRule, request: Json): RestRequest | undefined {
  const { pattern } = rule;
  if (pattern.case === undefined || pattern.case === "custom") throw new Error("expected a plain method");
  const left = structuredClone(request);
  let impossible = false;
  const path = pattern.value.replace(/\{([^}=]+)(?:=[^}]*)?\}/g, (_, name: string) => {
    const value = take(method.input, left, name.split("."));
    if (typeof value !== "string" || value === "") impossible = true;
    return encodeURIComponent(String(value));
  });
  if (impossible) return undefined;
  let body: unknown;
  if (rule.body === "*") body = left;
  else if (rule.body !== "") body = take(method.input, left, [rule.body]);
  const query = rule.body === "*" ? [] : parameters(left, "");
  if (query === undefined) return undefined;
  const text = new URLSearchParams(query).toString();
  return { method: pattern.case.toUpperCase(), path: text === "" ? path : `${path}?${text}`, body };
}

function take(schema: DescMessage, json: Json, [name, ...more]: string[]): unknown {
  const field = schema.fields.find((one) => one.name === name) as DescField;
  const value = json[field.jsonName];
  if (more.length > 0) return take(field.message!, value as Json, more);
  delete json[field.jsonName];
  return value;
}

/** Fields as query parameters; undefined when a list of messages stands among them, which a query cannot carry. */
function parameters(json: Json, prefix: string): [string, string][] | undefined {
  const list: [string, string][] = [];
  for (const [name, value] of Object.entries(json)) {
    if (Array.isArray(value)) {
      if (value.some((item) => typeof item === "object")) return undefined;
      list.push(...value.map((item): [string, string] => [prefix + name, String(item)]));
    } else if (value !== null && typeof value === "object") {
      const inner = parameters(value as Json, `${prefix}${name}.`);
      if (inner === undefined) return undefined;
      list.push(...inner);
    } else list.push([prefix + name, String(value)]);
  }
  return list;
}
