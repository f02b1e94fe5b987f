import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  mergeFromJson,
} from "@bufbuild/protobuf";
import { DomainError } from "../../kernel/errors.js";

/** A field of a request, perhaps inside of other messages. */
export interface FieldPath {
  readonly fields: readonly [DescField, ...DescField[]];
  /** The last of `fields`. */
  readonly field: DescField;
  /** Its JSON names, such as `account.id`. */
  readonly name: string;
}

/** The field that proto or JSON names joined by dots lead to, undefined when they lead to none. */
export function findField(schema: DescMessage, path: string): FieldPath | undefined {
  const fields: DescField[] = [];
  let inside: DescMessage | undefined = schema;
  for (const name of path.split(".")) {
    const field: DescField | undefined = inside && fieldNamed(inside, name);
    if (field === undefined) return undefined;
    fields.push(field);
    inside = field.fieldKind === "message" ? field.message : undefined;
  }
  const [first, ...more] = fields;
  if (first === undefined) return undefined;
  const name = fields.map((field) => field.jsonName).join(".");
  return { fields: [first, ...more], field: fields.at(-1) ?? first, name };
}

/** The field of `schema` with this proto or JSON name. */
export function fieldNamed(schema: DescMessage, name: string): DescField | undefined {
  return schema.fields.find((field) => field.jsonName === name || field.name === name);
}

/** Sets one field of `message`, leaving those beside it. Throws WRONG_TYPE. */
export function setField(
  schema: DescMessage,
  message: Message,
  path: FieldPath,
  value: JsonValue,
  options: { ignoreUnknownFields: boolean },
): void {
  const json = path.fields.reduceRight<JsonValue>((inner, field): JsonObject => ({ [field.jsonName]: inner }), value);
  try {
    mergeFromJson(schema, message, json, options);
  } catch {
    throw new DomainError("WRONG_TYPE", `The field ${path.name} has a value of another type.`, { field: path.name });
  }
}
