import { isUtf8 } from "node:buffer";
import { create, type JsonValue, type Message } from "@bufbuild/protobuf";
import { DomainError } from "../../kernel/errors.js";
import { readBody } from "../../rpc/body.js";
import type { Codec } from "../../rpc/codec.js";
import type { Request } from "../../rpc/dispatcher.js";
import { decompress } from "../../rpc/envelope.js";
import type { Binding } from "./bindings.js";

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** The bytes of a request's body, decompressed. Throws what is wrong with the body before it is decoded. */
export async function readRequestBody(req: Request, binding: Binding, limit: number): Promise<Buffer> {
  // Of a caller who hung up while the call was admitted no event is left to wait for.
  if (req.destroyed) throw new DomainError("CALL_CANCELED");
  const sent = await readBody(req, limit, binding.body === "none" ? refuseBody : undefined);
  if (sent.length === 0) return sent;
  const type = req.headers["content-type"];
  if (type === undefined || !JSON_TYPE.test(type)) {
    throw new DomainError("UNSUPPORTED_MEDIA_TYPE", "The content type of this path is application/json.");
  }
  return decompress(sent, (req.headers["content-encoding"] ?? "identity").toLowerCase(), limit);
}

function refuseBody(piece: Buffer): void {
  if (piece.length > 0) throw new DomainError("MALFORMED_BODY", "This path takes no body.");
}

/** The request message with what its body says; an empty body says nothing. */
export function decodeRequestBody(binding: Binding, body: Buffer, codec: Codec): Message {
  const { input } = binding.method;
  if (body.length === 0 || binding.body === "none") return create(input);
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
