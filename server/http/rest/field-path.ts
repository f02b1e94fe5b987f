import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type Message,
  mergeFromJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { DomainError, wantedOf, wrongType } from "./house.js";

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
    inside = field.fieldKind === "message" && !hasOwnJson(field.message) ? field.message : undefined;
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

/** A time, say, is written as text: its seconds cannot be set alone. */
function hasOwnJson({ typeName }: DescMessage): boolean {
  return typeName.startsWith("google.protobuf.");
}

export interface SetOptions {
  readonly ignoreUnknownFields: boolean;
}

/** Sets one field of `message`, leaving those beside it. Throws WRONG_TYPE, and INVALID_FIELD for a oneof's second member. */
export function setField(
  schema: DescMessage,
  message: Message,
  path: FieldPath,
  value: JsonValue,
  options: SetOptions,
): void {
  refuseSecondMember(message, path);
  const json = path.fields.reduceRight<JsonValue>((inner, field): JsonObject => ({ [field.jsonName]: inner }), value);
  try {
    mergeFromJson(schema, message, json, options);
  } catch {
    throw wrongType(path.name, wantedOf(path.field));
  }
}

/** What a message has where a path leads; undefined for none, as far as that can be told: an empty text, say, is as none in proto3. */
export function fieldOf(schema: DescMessage, message: Message, { fields, field }: FieldPath): unknown {
  let holder = reflect(schema, message);
  for (const outer of fields.slice(0, -1)) {
    if (!holder.isSet(outer)) return undefined;
    holder = holder.get(outer) as ReflectMessage;
  }
  return holder.isSet(field) ? holder.get(field) : undefined;
}

type Fields = Record<string, unknown>;

/** To set it would silently displace the first. */
function refuseSecondMember(message: Message, path: FieldPath): void {
  let holder: unknown = message;
  for (const field of path.fields) {
    if (typeof holder !== "object" || holder === null) return;
    if (field.oneof === undefined) holder = (holder as Fields)[field.localName];
    else {
      const chosen = (holder as Fields)[field.oneof.localName] as { case?: string; value?: unknown };
      if (chosen.case !== undefined && chosen.case !== field.localName) {
        const description = `Only one of ${chosen.case} and ${field.localName} can be given.`;
        throw new DomainError("INVALID_FIELD", description, { field: path.name });
      }
      holder = chosen.value;
    }
  }
}
