import { DomainError } from "../../kernel/errors.js";
import type { SocketFrame } from "../../kernel/sockets.js";
import { plainStatus, statusJson } from "../../rpc/wire-errors.js";

/** How a frame and what answers it name themselves. */
export interface Head {
  readonly op: string;
  /** What the sender called the frame; absent when it did not. */
  readonly id?: string;
}

const MOST_CHARACTERS = 64;

/** Reads an object of JSON. Throws MALFORMED_FRAME. */
export function readObject(text: string): SocketFrame {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new DomainError("MALFORMED_FRAME");
  }
  if (json === null || typeof json !== "object" || Array.isArray(json)) throw new DomainError("MALFORMED_FRAME");
  return json as SocketFrame;
}

/** How the answer of a frame is headed, whatever the frame is: as `error` when it does not say what it is. */
export function headOf(frame: SocketFrame): Head {
  return { op: isName(frame.op) ? frame.op : "error", ...(isName(frame.id) && { id: frame.id }) };
}

/** Throws MALFORMED_FRAME unless the frame says what it is, and by what name, if by any. */
export function checkHead(frame: SocketFrame): void {
  if (!isName(frame.op)) {
    throw new DomainError("MALFORMED_FRAME", "The frame's op is a text of 1 to 64 characters.", { field: "op" });
  }
  if (frame.id !== undefined && !isName(frame.id)) {
    throw new DomainError("MALFORMED_FRAME", "The frame's id is a text of 1 to 64 characters.", { field: "id" });
  }
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MOST_CHARACTERS;
}

/** A frame that says an error, as REST would. */
export function errorFrame(head: object, error: DomainError): string {
  return JSON.stringify({ ...head, status: plainStatus(error), ...statusJson(error) });
}

/** One object of JSON of two: `head` is open at its end, `body` is whole. */
export function joined(head: string, body: string): string {
  return body === "{}" ? `${head}}` : `${head},${body.slice(1)}`;
}

/** An object of JSON, open at its end. */
export function opened(head: object): string {
  return JSON.stringify(head).slice(0, -1);
}
