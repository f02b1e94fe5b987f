import { DomainError } from "./errors.js";
import type { InstanceKey } from "./instance-key.js";

const VERSION = 1;
const MAC_BYTES = 6;

/** Where a stream stands: every event of this log up to and including `offset` has been seen. */
export interface EventCursor {
  epoch: string;
  offset: number;
}

/** The opaque text of a cursor. One cursor resumes several topics: offsets are of the whole log. */
export function encodeCursor(key: InstanceKey, { epoch, offset }: EventCursor): string {
  const body = Buffer.alloc(15);
  body[0] = VERSION;
  body.write(epoch, 1, 8, "hex");
  body.writeUIntBE(offset, 9, 6);
  return Buffer.concat([body, key.mac("event-cursor", body).subarray(0, MAC_BYTES)]).toString("base64url");
}

/** Reads a cursor's text. Throws INVALID_CURSOR when it was not made here. */
export function decodeCursor(key: InstanceKey, text: string): EventCursor {
  const bytes = Buffer.from(text, "base64url");
  const body = bytes.subarray(0, 15);
  const genuine =
    bytes.length === 15 + MAC_BYTES && body[0] === VERSION && key.verifies("event-cursor", body, bytes.subarray(15));
  if (!genuine) throw new DomainError("INVALID_CURSOR", undefined, { field: "afterCursor" });
  return { epoch: body.toString("hex", 1, 9), offset: body.readUIntBE(9, 6) };
}
