import { create, type Message } from "@bufbuild/protobuf";
import { type FieldMask, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import type { Binding } from "./bindings.js";
import { fieldNamed } from "./field-path.js";

/**
 * A PATCH whose body is a message and whose mask is empty means the fields that stand in the body, `names`. What the path
 * sets is left out: it says which one to change.
 */
export function fillUpdateMask(binding: Binding, names: () => readonly string[], message: Message): void {
  const { body: target, takesBytes, updateMask, variables } = binding;
  // Bytes name no fields, also where they happen to be JSON.
  if (updateMask === undefined || takesBytes !== undefined) return;
  if (typeof target === "string" || target.fieldKind !== "message") return;
  const holder = message as unknown as Record<string, unknown>;
  const given = holder[updateMask.localName] as FieldMask | undefined;
  if (given !== undefined && given.paths.length > 0) return;
  const paths = new Set<string>();
  for (const name of names()) {
    const field = fieldNamed(target.message, name);
    const inPath = variables.some(({ path }) => path.name === `${target.jsonName}.${field?.jsonName}`);
    if (field !== undefined && !inPath) paths.add(field.name);
  }
  holder[updateMask.localName] = create(FieldMaskSchema, { paths: [...paths] });
}
