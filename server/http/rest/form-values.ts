import type { Message } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import type { Binding } from "./bindings.js";
import { type FieldPath, findField, setField } from "./field-path.js";
import { DomainError } from "./house.js";
import { isHttpBody } from "./http-body.js";
import type { FormValues, RestOptions } from "./options.js";
import { Texts } from "./query.js";

/** Sets what a form says in place of a JSON body: text as a query does, files as bytes or HttpBody. */
export function bindForm(binding: Binding, form: FormValues, message: Message, options: RestOptions): void {
  const find = (name: string): FieldPath | undefined => {
    const path = formField(binding, name);
    if (path !== undefined || options.ignoreUnknownFields || options.ignoredParameters?.has(name)) return path;
    throw new DomainError("UNKNOWN_FIELD", `There is no field ${name}.`, { field: name });
  };
  const texts = new Texts();
  for (const [name, text] of form.fields) {
    const path = find(name);
    if (path !== undefined) texts.add(path, text);
  }
  texts.set(binding, message, options);
  for (const { name, contentType, bytes } of form.files.filter(isChosen)) {
    const path = find(name);
    if (path !== undefined) setField(binding.method.input, message, path, fileValue(path, contentType, bytes), options);
  }
}

/** The top-level fields that a form names: of `author.name` the author, as JSON would have it. */
export function namesInForm({ fields, files }: FormValues): string[] {
  const names = [...fields.map(([name]) => name), ...files.filter(isChosen).map(({ name }) => name)];
  return names.map((name) => name.split(".", 1)[0]!);
}

/** Browsers send a file without name and bytes where nobody has chosen one. */
function isChosen({ filename, bytes }: FormValues["files"][number]): boolean {
  return filename !== "" || bytes.length > 0;
}

function formField({ method, body }: Binding, name: string): FieldPath | undefined {
  if (typeof body === "string") return findField(method.input, name);
  return body.fieldKind === "message" ? findField(method.input, `${body.name}.${name}`) : undefined;
}

function fileValue({ field, name }: FieldPath, contentType: string, bytes: Buffer) {
  const data = bytes.toString("base64");
  if (field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES) return data;
  if (field.fieldKind === "message" && isHttpBody(field.message)) return { contentType, data };
  throw new DomainError("INVALID_FIELD", `The field ${name} is no file.`, { field: name });
}
