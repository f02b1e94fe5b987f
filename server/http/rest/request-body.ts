import { isUtf8 } from "node:buffer";
import { create, type JsonValue, type Message } from "@bufbuild/protobuf";
import type { Binding } from "./bindings.js";
import { type Codec, DomainError, decompress, type Request, readBody } from "./house.js";
import { putBytes } from "./http-body.js";

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?$/i;
const EMPTY = Buffer.alloc(0);

/** The bytes of a request's body, decompressed; at once when there is none. */
export function readRequestBody(req: Request, binding: Binding, limit: number): Buffer | Promise<Buffer> {
  if (hasNoBody(req)) return EMPTY;
  const read = readBody(req, limit, binding.body === "none" ? refuseBody : undefined);
  const encoding = encodingOf(req);
  return encoding === "identity" ? read : read.then((sent) => decompress(sent, encoding, limit));
}

/** How the body is compressed. */
export function encodingOf({ headers }: Request): string {
  return headers["content-encoding"]?.toLowerCase() ?? "identity";
}

/** Whether the headers say already that no body comes. */
function hasNoBody(req: Request): boolean {
  if ("stream" in req) return req.stream.endAfterHeaders;
  const { headers } = req;
  return headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
}

function refuseBody(piece: Buffer): void {
  if (piece.length > 0) throw new DomainError("MALFORMED_BODY", "This path takes no body.");
}

/** Whether the content type is the JSON of this path. */
export function isJson({ headers }: Request): boolean {
  const type = headers["content-type"];
  return type === "application/json" || (type !== undefined && JSON_TYPE.test(type));
}

/** The request message with what its body says; an empty body says nothing. */
export function decodeRequestBody(req: Request, binding: Binding, body: Buffer, codec: Codec): Message {
  const { input } = binding.method;
  if (binding.takesBytes !== undefined) {
    const message = create(input);
    putBytes(input, message, binding.takesBytes, { contentType: req.headers["content-type"] ?? "", data: body });
    return message;
  }
  if (body.length === 0 || binding.body === "none") return create(input);
  if (!isJson(req)) {
    throw new DomainError("UNSUPPORTED_MEDIA_TYPE", "The content type of this path is application/json.");
  }
  if (binding.body === "whole") return codec.decode("json", input, body);
  // The field is put where it stands in its message, so that it is read, and refused, as it would be by Connect. That is
  // safe only because the body is known to be one value.
  if (parseJson(body) === null) throw new DomainError("MALFORMED_BODY", "The body must not be null.");
  const head = Buffer.from(`{${JSON.stringify(binding.body.jsonName)}:`);
  return codec.decode("json", input, Buffer.concat([head, body, Buffer.from("}")]));
}

/** Throws INVALID_UTF8 or MALFORMED_BODY. */
export function parseJson(body: Buffer): JsonValue {
  if (!isUtf8(body)) throw new DomainError("INVALID_UTF8");
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw new DomainError("MALFORMED_BODY", "The body is not JSON.");
  }
}
