import { clone, create, type DescMessage, equals, type Message } from "@bufbuild/protobuf";
import type { PathVariable } from "./bindings.js";
import { type FieldPath, fieldOf, setField } from "./field-path.js";
import { bindForm, namesInForm } from "./form-values.js";
import { type Call, type Codec, DomainError, isSameName, type Request } from "./house.js";
import type { FormValues, RestOptions } from "./options.js";
import { escapeBytes, percentDecode, percentDecodeSegments } from "./percent.js";
import { bindQuery } from "./query.js";
import { decodeRequestBody, parseJson } from "./request-body.js";
import type { RestMatch } from "./router.js";
import { fillUpdateMask } from "./update-mask.js";

/** What came besides path, query and headers: bytes, or the form that was read from them. */
export type RequestBody = Buffer | FormValues;

/**
 * The request message: what body, query and path say. Throws INVALID_FIELD when a body has another value for a field of the path:
 * whoever wrote it meant something else than is called. What the server answered may be sent back to where it was asked for, so
 * that names are compared by what they stand for.
 */
export function requestMessage(
  req: Request,
  { binding, segments }: RestMatch,
  body: RequestBody,
  { caller }: Call,
  codec: Codec,
  options: RestOptions,
): Message {
  const { input } = binding.method;
  let message: Message;
  if (Buffer.isBuffer(body)) message = decodeRequestBody(req, binding, body, codec);
  else {
    message = create(input);
    bindForm(binding, body, message, options);
  }
  const url = req.url ?? "";
  const query = url.indexOf("?") + 1;
  if (query > 0 && query < url.length) bindQuery(binding, url.slice(query), message, options);
  if (binding.updateMask !== undefined && !isEmpty(body)) fillUpdateMask(binding, () => namesIn(body), message);
  const isSame = (one: string, other: string) => isSameName(caller, one, other);
  for (const variable of binding.variables) {
    setFromPath(input, message, variable, textOf(variable, segments), isSame, options);
  }
  // An EventSource that reconnects repeats its URL and adds the last id it saw, so the header is the newer of two cursors.
  const lastId = req.headers["last-event-id"];
  if (binding.afterCursor !== undefined && typeof lastId === "string" && lastId !== "") {
    setField(input, message, binding.afterCursor, lastId, options);
  }
  return message;
}

function setFromPath(
  input: DescMessage,
  message: Message,
  { property, path, read }: PathVariable,
  text: string,
  isSame: (one: string, other: string) => boolean,
  options: RestOptions,
): void {
  if (property !== undefined) {
    const texts = message as unknown as Record<string, string>;
    if (texts[property] && !isSame(texts[property], text)) throw contradicted(path);
    texts[property] = text;
    return;
  }
  const given = fieldOf(input, message, path);
  const before = given === undefined ? undefined : clone(input, message);
  setField(input, message, path, read(text), options);
  if (before === undefined || equals(input, before, message)) return;
  if (typeof given !== "string" || !isSame(given, text)) throw contradicted(path);
}

function contradicted({ name }: FieldPath): DomainError {
  const description = `The field ${name} has another value in the path: leave it out of the body.`;
  return new DomainError("INVALID_FIELD", description, { field: name });
}

function textOf({ from, path }: PathVariable, segments: readonly string[]): string {
  if (!from.spans) return percentDecode(escapeBytes(segments[from.start]!), path.name);
  return percentDecodeSegments(escapeBytes(segments.slice(from.start, from.end).join("/")), path.name);
}

function isEmpty(body: RequestBody): boolean {
  return Buffer.isBuffer(body) && body.length === 0;
}

/** The top-level names that stand in a body. */
function namesIn(body: RequestBody): string[] {
  if (!Buffer.isBuffer(body)) return namesInForm(body);
  const json = parseJson(body);
  return json !== null && typeof json === "object" ? Object.keys(json) : [];
}
