import { create, type DescField, type JsonObject, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import type { Binding } from "./bindings.js";
import { type Codec, encoder } from "./house.js";

/** How the messages a binding answers are written: one that is shared, once for all who get it. */
export function messageWriter({ method, responseBody }: Binding, codec: Codec): (message: Message) => string {
  const { output } = method;
  const write = encoder((message: Message) => codec.encode("json", output, message) as string);
  if (responseBody === undefined) return write;
  const { jsonName } = responseBody;
  const empty = emptyJson(responseBody);
  return (message) => {
    const json = JSON.parse(write(message)) as JsonObject;
    return JSON.stringify(Object.hasOwn(json, jsonName) ? json[jsonName] : empty);
  };
}

/**
 * What a field is answered as when it is not set: what its type has for empty, and null where that is a message whose JSON
 * is not an object of its fields. Every JSON reader of protobuf takes null for a field that is not set.
 */
export function emptyJson(field: DescField): JsonValue {
  if (field.fieldKind === "message") return hasCustomJsonRepresentation(field.message) ? null : {};
  const message = reflect(field.parent, create(field.parent));
  // Set to what it is without being set, so that fields which know whether they are set are written too.
  if (field.fieldKind === "scalar" || field.fieldKind === "enum") message.set(field, message.get(field));
  const json = toJson(field.parent, message.message, { alwaysEmitImplicit: true }) as JsonObject;
  return json[field.jsonName] ?? null;
}
