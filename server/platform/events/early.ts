import type { LoggedEvent } from "./events.js";

/** Events that others carried here before one that comes before them. It is bounded: what it does not keep stands in the log. */
export interface EarlyEvents {
  keep(event: LoggedEvent): void;
  has(offset: number): boolean;
  /** Takes out the event at an offset, if it is kept. */
  take(offset: number): LoggedEvent | undefined;
  /** Drops what stands at this offset or before it. */
  forget(upTo: number): void;
}

/** Keeps at most so many events, and so many characters of their data. */
export function earlyEvents(most: { events: number; length: number }): EarlyEvents {
  const events = new Map<number, LoggedEvent>();
  let length = 0;

  const take = (offset: number) => {
    const event = events.get(offset);
    if (event === undefined) return undefined;
    events.delete(offset);
    length -= event.data.length;
    return event;
  };

  return {
    take,
    has: (offset) => events.has(offset),
    keep(event) {
      const next = length + event.data.length;
      if (events.has(event.offset) || events.size >= most.events || next > most.length) return;
      events.set(event.offset, event);
      length = next;
    },
    forget(upTo) {
      for (const offset of events.keys()) if (offset <= upTo) take(offset);
    },
  };
}
