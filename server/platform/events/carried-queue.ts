import type { Behind } from "./carrier.js";
import type { LoggedEvent } from "./events.js";

/** Events that wait to be carried. It is bounded: what it forgets stands in the log. */
export interface CarriedQueue {
  /** Takes events in the order of the log. */
  offer(events: readonly LoggedEvent[]): void;
  /** Says that the log goes as far as that, and is to be carried. */
  expect(offset: number): void;
  /** Says that everything up to `offset` is carried, and nothing after it. */
  done(offset: number): void;
  /** The first events that wait, without a gap between them, at most `limit`. */
  run(limit: number): readonly LoggedEvent[];
  behind(): Behind;
}

/** Moments kept apart for saying how late the oldest is; beyond that the newest stands for all that come. */
const MOST_MARKS = 1_000;

/** Holds at most so many events, and so many characters of their data. */
export function carriedQueue(most: { events: number; length: number }): CarriedQueue {
  let length = 0;
  let waiting: LoggedEvent[] = [];
  /** Up to which offset something was to be carried, and when that was said. */
  let marks: { offset: number; at: number }[] = [];
  let done = 0;

  const expect = (offset: number) => {
    const last = marks.at(-1);
    if (offset <= (last?.offset ?? done)) return;
    if (last !== undefined && marks.length >= MOST_MARKS) last.offset = offset;
    else marks.push({ offset, at: performance.now() });
  };

  return {
    expect,
    offer(events) {
      const last = events.at(-1);
      if (last === undefined) return;
      expect(last.offset);
      waiting.push(...events);
      length += lengthOf(events);
      if (waiting.length <= most.events && length <= most.length) return;
      waiting = [];
      length = 0;
    },
    done(offset) {
      done = offset;
      marks = after(marks, offset);
      const left = after(waiting, offset);
      length -= lengthOf(waiting.slice(0, waiting.length - left.length));
      waiting = left;
    },
    run(limit) {
      const first = waiting[0]?.offset ?? 0;
      const end = waiting.findIndex(({ offset }, n) => n === limit || offset !== first + n);
      return waiting.slice(0, end === -1 ? limit : end);
    },
    behind() {
      const [oldest, newest] = [marks[0], marks.at(-1)];
      if (oldest === undefined || newest === undefined) return { events: 0, ms: 0 };
      return { events: newest.offset - done, ms: performance.now() - oldest.at };
    },
  };
}

/** Those of an ascending list that come after an offset. */
function after<Item extends { offset: number }>(items: Item[], offset: number): Item[] {
  const first = items.findIndex((item) => item.offset > offset);
  if (first === 0) return items;
  return first === -1 ? [] : items.slice(first);
}

function lengthOf(events: readonly LoggedEvent[]): number {
  return events.reduce((sum, { data }) => sum + data.length, 0);
}
