import type { JsonValue, Message } from "@bufbuild/protobuf";
import type { Binding } from "./bindings.js";
import { type FieldPath, fieldNamed, findField, setField } from "./field-path.js";
import { DomainError } from "./house.js";
import type { RestOptions } from "./options.js";
import { escapeBytes, percentDecode, splitQuery } from "./percent.js";
import { textReader } from "./text-value.js";

/** Sets the fields that a query names. Throws UNKNOWN_FIELD, WRONG_TYPE, INVALID_FIELD, INVALID_UTF8. */
export function bindQuery(binding: Binding, query: string, message: Message, options: RestOptions): void {
  const texts = new Texts();
  for (const [rawKey, rawText] of splitQuery(escapeBytes(query))) {
    const key = percentDecode(rawKey, rawKey);
    if (options.ignoredParameters?.has(key)) continue;
    const path = queryField(binding, key);
    if (path !== undefined) texts.add(path, selecting(binding, path, percentDecode(rawText, path.name)));
    else if (namesMap(binding, key)) throw cannotStand(key);
    else if (!options.ignoreUnknownFields) {
      throw new DomainError("UNKNOWN_FIELD", `There is no query parameter ${key}.`, { field: key });
    }
  }
  texts.set(binding, message, options);
}

/** Text by the fields it is for. */
export class Texts {
  readonly #byName = new Map<string, { path: FieldPath; texts: string[] }>();

  add(path: FieldPath, text: string): void {
    const known = this.#byName.get(path.name);
    if (known === undefined) this.#byName.set(path.name, { path, texts: [text] });
    else known.texts.push(text);
  }

  /** Throws WRONG_TYPE, INVALID_FIELD. */
  set({ method }: Binding, message: Message, options: RestOptions): void {
    for (const { path, texts } of this.#byName.values()) {
      setField(method.input, message, path, readValue(path, texts), options);
    }
  }
}

/** The field a parameter sets: any that neither the path nor the body sets. */
function queryField({ method, body, variables }: Binding, key: string): FieldPath | undefined {
  if (body === "whole") return undefined;
  const path = findField(method.input, key);
  if (path === undefined || path.fields[0] === body) return undefined;
  return variables.some((variable) => variable.path.name === path.name) ? undefined : path;
}

/** Whether a parameter is an entry of a map, as some spell it: it must not be passed over as if it were unknown. */
function namesMap({ method, body }: Binding, key: string): boolean {
  let schema = body === "whole" ? undefined : method.input;
  for (const name of key.split(/[.[]/)) {
    const field = schema && fieldNamed(schema, name);
    if (field?.fieldKind === "map") return field !== body;
    schema = field?.fieldKind === "message" ? field.message : undefined;
  }
  return false;
}

function readValue({ field, name }: FieldPath, texts: readonly string[]): JsonValue {
  const read = textReader(field);
  if (read === undefined) throw cannotStand(name);
  if (field.fieldKind === "list") return texts.map(read);
  const [text = "", ...more] = texts;
  if (more.length > 0) throw new DomainError("INVALID_FIELD", `The field ${name} is given twice.`, { field: name });
  return read(text);
}

/** What a DELETE names there says what is deleted: a variable of a program that happens to be empty is not to widen that to all. */
function selecting({ httpMethod }: Binding, { name }: FieldPath, text: string): string {
  if (httpMethod !== "DELETE" || text !== "") return text;
  throw new DomainError("INVALID_FIELD", `The parameter ${name} is empty: leave it out if it is not to choose.`, {
    field: name,
  });
}

function cannotStand(name: string): DomainError {
  return new DomainError("INVALID_FIELD", `The field ${name} cannot be given as text.`, { field: name });
}
