import type { DescField, DescMessage, JsonObject } from "@bufbuild/protobuf";
import type { Binding } from "../rest/bindings.js";
import { textReader } from "../rest/text-value.js";
import { commentOf, type Docs, described } from "./docs.js";
import type { PathParameter } from "./paths.js";
import { boundsOf } from "./rules.js";
import { isSecret, type Schemas } from "./schemas.js";

/** Describes what stands in a path. */
export function pathParameter(
  { name, variable, whole, open }: PathParameter,
  schemas: Schemas,
  docs: Docs,
): JsonObject {
  const says: string[] = [];
  if (variable === undefined) says.push("Any text; it is not looked at.");
  else {
    says.push(commentOf(docs, variable.path.field));
    if (whole !== undefined) says.push(`Part of \`${variable.path.name}\`, which is \`${whole}\`.`);
    else if (variable.path.name !== name) says.push(`This is \`${variable.path.name}\`.`);
  }
  if (open) says.push("It may span several segments: a `/` in it is sent as it is.");
  const schema = variable === undefined || whole !== undefined ? { type: "string" } : schemas.text(variable.path.field);
  return { name, in: "path", required: true, ...described(...says), schema };
}

/** Describes the query: every field that neither the path nor the body says and that text can. */
export function queryParameters({ method, body, variables }: Binding, schemas: Schemas, docs: Docs): JsonObject[] {
  if (body === "whole") return [];
  const inPath = new Set(variables.map(({ path }) => path.name));
  const parameters: JsonObject[] = [];

  const walk = (desc: DescMessage, prefix: string, around: readonly DescMessage[]) => {
    for (const field of desc.fields) {
      const name = `${prefix}${field.jsonName}`;
      if (field === body || inPath.has(name)) continue;
      if (textReader(field) !== undefined) parameters.push(queryParameter(field, name, prefix === ""));
      // A message that holds itself would never end, and its JSON may be another than its fields.
      else if (field.fieldKind === "message" && !isOwnJson(field.message) && !around.includes(field.message)) {
        walk(field.message, `${name}.`, [...around, field.message]);
      }
    }
  };

  const queryParameter = (field: DescField, name: string, isTop: boolean): JsonObject => {
    const others = field.oneof?.fields.filter((other) => other !== field).map((other) => `\`${other.jsonName}\``) ?? [];
    const schema = schemas.text(field);
    return {
      name,
      in: "query",
      ...described(commentOf(docs, field), others.length === 0 ? undefined : `Not together with ${others.join(", ")}.`),
      ...(isTop && boundsOf(field).required && { required: true }),
      ...(field.deprecated && { deprecated: true }),
      ...(field.fieldKind === "list" && { style: "form", explode: true }),
      schema: isSecret(field) ? { ...schema, format: "password" } : schema,
    };
  };

  walk(method.input, "", [method.input]);
  return parameters;
}

function isOwnJson({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.");
}
