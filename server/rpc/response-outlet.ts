import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { DomainError } from "../kernel/errors.js";
import { encoder } from "../kernel/share.js";
import type { Outlet } from "../manifest.js";
import type { Response } from "./dispatcher.js";

/** An item as it stands in a body; one that is being compressed is there a moment later. */
export type Piece = string | Uint8Array | Promise<Uint8Array>;

/** Writes the items of a stream into the body of a response; the reader is behind while Node has to hold bytes back. */
export class ResponseOutlet<T> implements Outlet<T> {
  readonly #body: Writable;
  #chunks: boolean | undefined;
  #pending: Promise<void> | undefined;
  #waiting: (() => void) | undefined;
  #isClosed = false;

  /** `encode` is asked for each item in turn; it begins the answer when the first one comes. */
  constructor(
    private readonly res: Response,
    private readonly encode: (item: T) => Piece,
  ) {
    // The compatibility layer of HTTP/2 would look at every write once more.
    this.#body = "stream" in res ? res.stream : (res as Writable);
  }

  write(item: T): boolean {
    if (this.#isClosed) throw new DomainError("CALL_CANCELED");
    const piece = this.encode(item);
    this.#chunks ??= takeChunking(this.res);
    if (!(piece instanceof Promise)) return this.#put(piece);
    this.#pending = piece.then(
      (bytes) => {
        this.#pending = undefined;
        if (!this.#isClosed && this.#put(bytes)) this.#caughtUp();
      },
      (error: Error) => void this.res.destroy(error),
    );
    return false;
  }

  onDrain(listener: () => void): void {
    this.#waiting = listener;
  }

  /** Resolves when everything that was written is in the response's hands. */
  async handedOver(): Promise<void> {
    await this.#pending;
  }

  /** Takes nothing more: who waits for room goes on, and is refused by his next write. What the response ends with is its own. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#chunks) (this.res as ServerResponse).chunkedEncoding = true;
    this.#caughtUp();
  }

  #put(piece: string | Uint8Array): boolean {
    if (piece.length === 0) return true;
    if (this.#body.write(this.#chunks ? chunkOf(piece) : piece)) return true;
    this.#body.once("drain", () => this.#caughtUp());
    return false;
  }

  #caughtUp(): void {
    const listener = this.#waiting;
    this.#waiting = undefined;
    listener?.();
  }
}

/**
 * Whether an answer goes out in chunks of HTTP/1.1, which are then ours to make: Node would write each as four pieces, for each
 * stream anew, and a thousand streams may write the same chunk.
 */
function takeChunking(res: Response): boolean {
  if (!("chunkedEncoding" in res) || !res.chunkedEncoding) return false;
  res.chunkedEncoding = false;
  return true;
}

function chunkOf(piece: string | Uint8Array): Buffer {
  return chunkOfBytes(typeof piece === "string" ? Buffer.from(piece) : piece);
}

const chunkOfBytes = encoder((bytes: Uint8Array) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF]),
);

const CRLF = Buffer.from("\r\n");

/** Whether nobody is left to answer; to write would then be an error of its own. */
export function isGone(res: Response): boolean {
  return res.destroyed || ("stream" in res && res.stream.destroyed);
}
