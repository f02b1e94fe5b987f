import { decodeCursor } from "../../../server/kernel/event-cursor.js";
import type { InstanceKey } from "../../../server/kernel/instance-key.js";

/** The places in the log that are a pair's own: two pairs write to it in turns. */
export interface Cursors {
  /** Says that all from one place of the log to another is the pair's. */
  wrote(from: number, to: number): void;
  /** How many of the pair's own there are as far as a cursor leads. */
  count(cursor: string): number;
}

export function ownCursors(key: InstanceKey): Cursors {
  const own: { from: number; to: number }[] = [];
  return {
    wrote: (from, to) => void own.push({ from, to }),
    count(cursor) {
      const { offset } = decodeCursor(key, cursor);
      return own.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(offset, to) - from), 0);
    },
  };
}
