import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { setImmediate } from "node:timers/promises";
import { DomainError } from "../kernel/errors.js";
import { tooLarge } from "./pipeline.js";
import { followProgress } from "./progress.js";

export const EMPTY = Buffer.alloc(0);

/**
 * Reads a whole body of at most `limit` bytes, without a copy when it came in one piece. `onFirst` sees the first piece as
 * soon as it is there and may refuse the rest by throwing. Rejects with MESSAGE_TOO_LARGE.
 */
export function readBody(
  req: IncomingMessage | Http2ServerRequest,
  limit: number,
  onFirst?: (piece: Buffer) => void,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (req.destroyed) {
      // It went while the call was admitted, and says so no more.
      reject(new DomainError("CALL_CANCELED"));
      return;
    }
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    req.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        chunks = undefined;
        first = undefined;
        reject(tooLarge(limit));
      } else if (first === undefined) {
        first = chunk;
        try {
          onFirst?.(chunk);
        } catch (error) {
          reject(error);
        }
      } else if (chunks === undefined) chunks = [first, chunk];
      else chunks.push(chunk);
    });
    req.on("end", () => resolve(chunks === undefined ? (first ?? EMPTY) : Buffer.concat(chunks, size)));
    req.on("error", () => reject(new DomainError("CALL_CANCELED")));
    req.on("aborted", () => reject(new DomainError("CALL_CANCELED")));
  });
}

/**
 * The pieces of a body as they come, read no faster than they are asked for, and never for longer than the call lasts.
 * Rejects with the reason of `ended`, or CALL_CANCELED when the body breaks off.
 */
export async function* readPieces(
  req: IncomingMessage | Http2ServerRequest,
  ended: AbortSignal,
): AsyncGenerator<Buffer> {
  const progress = followProgress(req);
  let wake = () => {};
  const heard = () => wake();
  for (const event of ["readable", "end", "close"]) req.on(event, heard);
  // This one stays: a body may also break off when it is read no more, and an error that nobody hears ends the process.
  req.on("error", heard);
  ended.addEventListener("abort", heard);
  try {
    while (!req.readableEnded) {
      if (ended.aborted) throw ended.reason;
      const piece = req.read() as Buffer | null;
      if (piece !== null) yield piece;
      else if (req.destroyed) throw new DomainError("CALL_CANCELED");
      else if (!req.readableEnded) {
        progress.waitingSince = performance.now();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        progress.waitingSince = undefined;
      }
    }
    // Node's own HTTP/2 clients, when they cancel, end the body and reset the stream right behind: half a body is not all.
    await setImmediate();
    if (req.aborted) throw new DomainError("CALL_CANCELED");
  } finally {
    for (const event of ["readable", "end", "close"]) req.off(event, heard);
    ended.removeEventListener("abort", heard);
  }
}
