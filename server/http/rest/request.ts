import { create, type Message } from "@bufbuild/protobuf";
import type { PathVariable } from "./bindings.js";
import { setField } from "./field-path.js";
import { bindForm, namesInForm } from "./form-values.js";
import type { Codec, Request } from "./house.js";
import type { FormValues, RestOptions } from "./options.js";
import { escapeBytes, percentDecode, percentDecodeSegments } from "./percent.js";
import { bindQuery } from "./query.js";
import { decodeRequestBody, parseJson } from "./request-body.js";
import type { RestMatch } from "./router.js";
import { fillUpdateMask } from "./update-mask.js";

/** What came besides path, query and headers: bytes, or the form that was read from them. */
export type RequestBody = Buffer | FormValues;

/** The request message: the body's, then what the query and, above all, the path say. */
export function requestMessage(
  req: Request,
  { binding, segments }: RestMatch,
  body: RequestBody,
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
  for (const variable of binding.variables) {
    const text = textOf(variable, segments);
    if (variable.property !== undefined) (message as unknown as Record<string, string>)[variable.property] = text;
    else setField(input, message, variable.path, variable.read(text), options);
  }
  // An EventSource that reconnects repeats its URL and adds the last id it saw, so the header is the newer of two cursors.
  const lastId = req.headers["last-event-id"];
  if (binding.afterCursor !== undefined && typeof lastId === "string" && lastId !== "") {
    setField(input, message, binding.afterCursor, lastId, options);
  }
  return message;
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
