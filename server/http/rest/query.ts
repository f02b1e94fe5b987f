import type { DescField, JsonValue, Message } from "@bufbuild/protobuf";
import { DomainError } from "../../kernel/errors.js";
import type { Binding } from "./bindings.js";
import { type FieldPath, findField, setField } from "./field-path.js";
import { percentDecode, splitQuery } from "./percent.js";
import { textReader } from "./text-value.js";

interface Parameter {
  readonly path: FieldPath;
  readonly texts: string[];
}

/** Sets the fields that a query names. Throws UNKNOWN_FIELD, WRONG_TYPE, INVALID_FIELD. */
export function bindQuery(
  binding: Binding,
  query: string,
  message: Message,
  options: { ignoreUnknownFields: boolean },
): void {
  if (query === "") return;
  const { input } = binding.method;
  const parameters = readParameters(binding, query, options.ignoreUnknownFields);
  refuseTwoOfOneof(parameters);
  for (const { path, texts } of parameters) setField(input, message, path, readValue(path, texts), options);
}

function readParameters(binding: Binding, query: string, ignoreUnknown: boolean): Parameter[] {
  const parameters = new Map<string, Parameter>();
  for (const [rawKey, rawText] of splitQuery(query)) {
    const key = percentDecode(rawKey, rawKey);
    const path = queryField(binding, key);
    if (path === undefined) {
      if (ignoreUnknown) continue;
      throw new DomainError("UNKNOWN_FIELD", `There is no query parameter ${key}.`, { field: key });
    }
    const text = percentDecode(rawText, path.name);
    const parameter = parameters.get(path.name);
    if (parameter === undefined) parameters.set(path.name, { path, texts: [text] });
    else parameter.texts.push(text);
  }
  return [...parameters.values()];
}

/** The field a parameter sets: any that neither the path nor the body sets. */
function queryField({ method, body, variables }: Binding, key: string): FieldPath | undefined {
  if (body === "whole") return undefined;
  const path = findField(method.input, key);
  if (path === undefined || path.fields[0] === body) return undefined;
  return variables.some((variable) => variable.path.name === path.name) ? undefined : path;
}

function readValue({ field, name }: FieldPath, texts: readonly string[]): JsonValue {
  const read = textReader(field);
  if (read === undefined) {
    throw new DomainError("INVALID_FIELD", `The field ${name} cannot stand in a query.`, { field: name });
  }
  if (field.fieldKind === "list") return texts.map(read);
  const [text = "", ...more] = texts;
  if (more.length > 0) throw new DomainError("INVALID_FIELD", `The field ${name} is given twice.`, { field: name });
  return read(text);
}

/** Set one after the other, the members of a oneof would silently displace each other. */
function refuseTwoOfOneof(parameters: readonly Parameter[]): void {
  const chosen = new Map<string, DescField>();
  for (const { path } of parameters) {
    let place = "";
    for (const field of path.fields) {
      if (field.oneof !== undefined) {
        const key = `${place}${field.oneof.name}`;
        const other = chosen.get(key) ?? field;
        if (other !== field) {
          const description = `Only one of ${other.jsonName} and ${field.jsonName} can be given.`;
          throw new DomainError("INVALID_FIELD", description, { field: path.name });
        }
        chosen.set(key, field);
      }
      place += `${field.name}.`;
    }
  }
}
