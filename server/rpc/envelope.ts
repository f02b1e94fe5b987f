import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import { DomainError } from "../kernel/errors.js";
import { tooLarge } from "./pipeline.js";

const inflate = { gzip: promisify(gunzip), br: promisify(brotliDecompress) };

/** The encodings a request message may have. */
const ENCODINGS = ["gzip", "br"] as const;

/** Refuses an envelope that announces more than it may, before anything is allocated for it. */
export function checkEnvelopeLength(piece: Buffer, limit: number): void {
  if (piece.length >= 5 && piece.readUInt32BE(1) > limit) throw tooLarge(limit);
}

/** The one message of an enveloped body, as gRPC, gRPC-Web and Connect streams frame it. */
export async function openEnvelope(body: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  const flags = body[0];
  if (flags === undefined || body.length < 5 || flags > 1 || body.length !== 5 + body.readUInt32BE(1)) {
    throw new DomainError("MALFORMED_BODY", "The body must be exactly one enveloped message.");
  }
  const message = body.subarray(5);
  return flags === 1 ? decompress(message, encoding ?? "identity", limit) : message;
}

/** Decompresses to at most `limit` bytes. Rejects with UNSUPPORTED_ENCODING, MESSAGE_TOO_LARGE, MALFORMED_BODY. */
export async function decompress(bytes: Buffer, encoding: string, limit: number): Promise<Buffer> {
  if (encoding === "identity" || bytes.length === 0) return bytes;
  if (encoding !== "gzip" && encoding !== "br") {
    throw new DomainError("UNSUPPORTED_ENCODING", `Only ${ENCODINGS.join(" and ")} are read.`);
  }
  try {
    return await inflate[encoding](bytes, { maxOutputLength: limit });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(limit);
    throw new DomainError("MALFORMED_BODY", `The body is not ${encoding}.`);
  }
}
