import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { DomainError } from "../kernel/errors.js";
import { tooLarge } from "./pipeline.js";

const EMPTY = Buffer.alloc(0);

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
