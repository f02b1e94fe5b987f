import { create, type DescField, type Message } from "@bufbuild/protobuf";
import { type FieldMask, FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import type { Binding } from "./bindings.js";
import { fieldNamed } from "./field-path.js";
import { parseJson } from "./request-body.js";

/**
 * A PATCH whose body is a message and whose mask is empty means the fields that stand in the body. What the path sets is
 * left out: it says which one to change.
 */
export function fillUpdateMask(binding: Binding, body: Buffer, message: Message): void {
  const { body: target, variables } = binding;
  const mask = maskField(binding);
  if (mask === undefined || body.length === 0 || typeof target === "string" || target.fieldKind !== "message") return;
  const holder = message as unknown as Record<string, unknown>;
  const given = holder[mask.localName] as FieldMask | undefined;
  if (given !== undefined && given.paths.length > 0) return;
  const json = parseJson(body);
  if (json === null || typeof json !== "object") return;
  const paths: string[] = [];
  for (const key of Object.keys(json)) {
    const field = fieldNamed(target.message, key);
    const inPath = variables.some(({ path }) => path.name === `${target.jsonName}.${field?.jsonName}`);
    if (field !== undefined && !inPath) paths.push(field.name);
  }
  holder[mask.localName] = create(FieldMaskSchema, { paths });
}

/** The one field of a PATCH that is a mask; with several nobody could tell which is meant. */
function maskField({ httpMethod, method }: Binding): DescField | undefined {
  if (httpMethod !== "PATCH") return undefined;
  const [mask, ...more] = method.input.fields.filter(
    (field) => field.fieldKind === "message" && field.message.typeName === FieldMaskSchema.typeName,
  );
  return more.length === 0 && mask?.oneof === undefined ? mask : undefined;
}
