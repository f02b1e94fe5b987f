import { randomFillSync } from "node:crypto";

/**
 * Makes ids: UUIDv7 as 32 lower-case hex digits, so that they sort by the time they were made; those of one millisecond, up to some
 * 2,000, in the order they were made in.
 */
export interface Ids {
  next(): string;
}

const POOL = Buffer.alloc(16 * 256);
let used = POOL.length;

/** Ids from `now` (milliseconds since 1970) and the system's random numbers. */
export function uuidV7Ids(now: () => number = Date.now): Ids {
  let last = 0;
  let count = 0;
  return {
    next() {
      if (used === POOL.length) {
        randomFillSync(POOL);
        used = 0;
      }
      const at = used;
      used += 16;
      const ms = now();
      count = ms === last ? count + 1 : POOL.readUInt16BE(at + 6) & 0x7ff;
      last = ms;
      POOL.writeUIntBE(ms, at, 6);
      POOL.writeUInt16BE(0x7000 | (count & 0xfff), at + 6);
      POOL[at + 8] = (POOL[at + 8]! & 0x3f) | 0x80;
      return POOL.toString("hex", at, at + 16);
    },
  };
}

const OURS = /^[0-9a-f]{32}$/;
const UUID = /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/i;

/** An id as a caller wrote it, in our spelling: a UUID's dashes and capitals are taken. Undefined when it can name nothing here. */
export function parseId(text: string): string | undefined {
  if (OURS.test(text)) return text;
  return UUID.test(text) ? text.replaceAll("-", "").toLowerCase() : undefined;
}

/** An id of another moment than it was made in, so that `timeOf` tells that one. */
export function idAt(at: Date, id: string): string {
  return at.getTime().toString(16).padStart(12, "0") + id.slice(12);
}

/** The time of an id, in milliseconds since 1970. */
export function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 12), 16);
}
