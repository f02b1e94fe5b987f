import { pipeline, Readable } from "node:stream";
import { createBrotliDecompress, createGunzip } from "node:zlib";
import { create, type Message } from "@bufbuild/protobuf";
import type { Binding } from "./bindings.js";
import { type Call, DomainError, type Request, readPieces, tooLarge } from "./house.js";
import { putBytes } from "./http-body.js";
import { encodingOf } from "./request-body.js";

const UNZIPS = { gzip: createGunzip, br: createBrotliDecompress };

/**
 * The messages of an upload: `first` with the first bytes, then one with nothing but bytes for each piece that arrives. A
 * piece is read when the one before it has been taken, so that a slow verb slows its caller. Throws, before any byte is
 * read, what is known to be wrong.
 */
export function uploadedMessages(
  req: Request,
  call: Call,
  { method, takesBytes: place }: Binding,
  first: Message,
  limit: number,
): AsyncIterable<Message> {
  const length = req.headers["content-length"];
  if (length !== undefined && Number(length) > limit) throw tooLarge(limit);
  const pieces = bounded(decompressed(bounded(readPieces(req, call.signal), limit), encodingOf(req)), limit);
  const { input } = method;
  const contentType = req.headers["content-type"] ?? "";
  return (async function* () {
    let message: Message | undefined = first;
    for await (const data of pieces) {
      if (message === undefined) {
        message = create(input);
        putBytes(input, message, place!, { contentType: "", data });
      } else putBytes(input, message, place!, { contentType, data });
      yield message;
      message = undefined;
    }
    // Also who sends nothing says what he would have sent.
    if (message !== undefined) yield message;
  })();
}

async function* bounded(pieces: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of pieces) {
    size += piece.length;
    if (size > limit) throw tooLarge(limit);
    yield piece;
  }
}

function decompressed(pieces: AsyncIterable<Buffer>, encoding: string): AsyncIterable<Buffer> {
  if (encoding === "identity") return pieces;
  if (encoding !== "gzip" && encoding !== "br") {
    throw new DomainError("UNSUPPORTED_ENCODING", "Only gzip and br are read.");
  }
  const unzip = UNZIPS[encoding]();
  // Whichever fails ends the other, and the reader of the second sees why.
  pipeline(Readable.from(pieces), unzip, () => {});
  return readable(unzip, encoding);
}

async function* readable(unzip: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  try {
    yield* unzip;
  } catch (error) {
    if (error instanceof DomainError) throw error;
    throw new DomainError("MALFORMED_BODY", `The body is not ${encoding}.`);
  }
}
