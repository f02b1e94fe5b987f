import type { LoggedEvent } from "../../platform/events/index.js";

const MOST_EVENTS = 256;
const MOST_BYTES = 1 << 20;
const LONGEST_TIMER = 2 ** 31 - 1;

/** What a stream can be woken by besides an event. */
export type Notice = "overflow" | "revoked" | "closing" | "canceled";

/** Where the events of one stream wait for it: bounded, so that a slow reader costs no more than this. */
export interface Mailbox {
  put(event: LoggedEvent): void;
  /** Wakes the stream for good: every later look says the same. */
  notify(notice: Notice): void;
  /** Forgets what waits and may take events again. */
  clear(): void;
  isEmpty(): boolean;
  /** The oldest event, a notice, or undefined after `ms` of silence. Notices go before events. */
  next(ms: number): Promise<LoggedEvent | Notice | undefined>;
}

export function mailbox(): Mailbox {
  let waiting: LoggedEvent[] = [];
  let bytes = 0;
  let notice: Notice | undefined;
  let wake: (() => void) | undefined;

  const notify = (what: Notice) => {
    // What ends a stream is not lost behind what only makes it read again.
    if (notice === undefined || notice === "overflow") notice = what;
    wake?.();
  };

  const take = (): LoggedEvent | Notice | undefined => {
    if (notice !== undefined) return notice;
    const event = waiting.shift();
    if (event !== undefined) bytes -= event.data.length;
    return event;
  };

  return {
    notify,
    put(event) {
      if (notice !== undefined) return;
      waiting.push(event);
      bytes += event.data.length;
      if (waiting.length > MOST_EVENTS || bytes > MOST_BYTES) {
        waiting = [];
        notify("overflow");
      }
      wake?.();
    },
    clear() {
      waiting = [];
      bytes = 0;
      if (notice === "overflow") notice = undefined;
    },
    isEmpty: () => waiting.length === 0,
    async next(ms) {
      const ready = take();
      if (ready !== undefined) return ready;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(ms, LONGEST_TIMER));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      wake = undefined;
      return take();
    },
  };
}
