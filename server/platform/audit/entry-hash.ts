import { createHash } from "node:crypto";

/** An entry's fields as the database has them, each as text. */
export interface EntryFields {
  /** In UTC, to the microsecond. */
  at: string;
  type: string;
  actorKind: string;
  actorId: string | null;
  accountId: string | null;
  address: string;
  requestId: string;
  detail: string;
}

/** Says what is hashed, so that nothing else that is hashed somewhere can be taken for it. */
const LABEL = "backstay audit entry 1";
/** In place of a length: there is nothing, which is not the same as empty text. */
const NOTHING = Buffer.from([0xff, 0xff, 0xff, 0xff]);

/** The hash of an entry at its place, behind an entry of the hash `previous`. */
export function entryHash(previous: Uint8Array, sequence: bigint, entry: EntryFields): Buffer {
  const { at, type, actorKind, actorId, accountId, address, requestId, detail } = entry;
  const fields = [at, type, actorKind, actorId, accountId, address, requestId, detail];
  return createHash("sha256")
    .update(framed([LABEL, previous, String(sequence), ...fields]))
    .digest();
}

/** Parts one after the other, each behind its length: no two lists of parts are the same bytes. */
export function framed(parts: readonly (string | Uint8Array | null)[]): Buffer {
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    if (part === null) {
      pieces.push(NOTHING);
      continue;
    }
    const bytes = typeof part === "string" ? Buffer.from(part) : part;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    pieces.push(length, bytes);
  }
  return Buffer.concat(pieces);
}
