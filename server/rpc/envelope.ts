import { promisify } from "node:util";
import { brotliDecompress, gunzip } from "node:zlib";
import { DomainError } from "../kernel/errors.js";
import { tooLarge } from "./pipeline.js";

const inflate = { gzip: promisify(gunzip), br: promisify(brotliDecompress) };

/** The encodings a request message may have. */
const ENCODINGS = ["gzip", "br"] as const;

/** A flag and the message's length. */
const HEAD = 5;

/** Pieces of a message that are kept apart: one byte each, a large message would be a million of them. */
const MAX_PIECES = 1024;

/** Refuses an envelope that announces more than it may, before anything is allocated for it. */
export function checkEnvelopeLength(piece: Buffer, limit: number): void {
  if (piece.length >= HEAD && piece.readUInt32BE(1) > limit) throw tooLarge(limit);
}

/** The one message of an enveloped body, as gRPC, gRPC-Web and Connect streams frame it. */
export async function openEnvelope(body: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  const flags = body[0];
  if (flags === undefined || body.length < HEAD || flags > 1 || body.length !== HEAD + body.readUInt32BE(1)) {
    throw new DomainError("MALFORMED_BODY", "The body must be exactly one enveloped message.");
  }
  return openMessage(flags, body.subarray(HEAD), encoding, limit);
}

/** The messages of an enveloped body one by one, as many as there are. Holds no more than one of them. */
export async function* openEnvelopes(
  pieces: AsyncIterable<Buffer>,
  encoding: string | undefined,
  limit: number,
): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  let wanted = HEAD;
  let flags: number | undefined;
  for await (const piece of pieces) {
    held.push(piece);
    size += piece.length;
    if (size < wanted && held.length === MAX_PIECES) held = [Buffer.concat(held, size)];
    while (size >= wanted) {
      const whole = held.length === 1 ? held[0]! : Buffer.concat(held, size);
      const taken = whole.subarray(0, wanted);
      held = [whole.subarray(wanted)];
      size -= wanted;
      if (flags === undefined) {
        checkEnvelopeLength(taken, limit);
        flags = taken[0]!;
        if (flags > 1) throw new DomainError("MALFORMED_BODY", "The body has an envelope with an unknown flag.");
        wanted = taken.readUInt32BE(1);
      } else {
        yield await openMessage(flags, taken, encoding, limit);
        flags = undefined;
        wanted = HEAD;
      }
    }
  }
  if (size > 0 || flags !== undefined) throw new DomainError("MALFORMED_BODY", "The body breaks off in a message.");
}

function openMessage(flags: number, message: Buffer, encoding: string | undefined, limit: number): Promise<Buffer> {
  if (flags === 0) return Promise.resolve(message);
  if (encoding !== undefined && encoding !== "identity") return decompress(message, encoding, limit);
  throw new DomainError("MALFORMED_BODY", "A message is compressed, and no header says how.");
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
