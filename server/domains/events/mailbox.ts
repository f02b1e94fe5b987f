import type { LoggedEvent } from "../../platform/events/index.js";

const MOST_EVENTS = 256;
/** Characters of the events' data. */
const MOST_DATA = 1 << 20;

/** Where the events of one stream wait for it: bounded, so that a reader who is behind costs no more than this. */
export class Mailbox {
  // Most streams never need it.
  #waiting: LoggedEvent[] | undefined;
  #data = 0;
  #isOverfull = false;

  get isEmpty(): boolean {
    return this.#waiting === undefined;
  }

  /** Whether something was lost since the last `clear`. */
  get isOverfull(): boolean {
    return this.#isOverfull;
  }

  /** False when it is too much: everything that waited is lost then. */
  put(event: LoggedEvent): boolean {
    if (this.#isOverfull) return false;
    this.#waiting ??= [];
    this.#waiting.push(event);
    this.#data += event.data.length;
    if (this.#waiting.length <= MOST_EVENTS && this.#data <= MOST_DATA) return true;
    this.clear();
    this.#isOverfull = true;
    return false;
  }

  /** The oldest event. */
  take(): LoggedEvent | undefined {
    const event = this.#waiting?.shift();
    if (event !== undefined) this.#data -= event.data.length;
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    return event;
  }

  /** Forgets what waits, but for what `keep` chooses, and may be filled again. */
  clear(keep: (event: LoggedEvent) => boolean = () => false): void {
    const kept = this.#waiting?.filter(keep) ?? [];
    this.#waiting = kept.length === 0 ? undefined : kept;
    this.#data = kept.reduce((sum, { data }) => sum + data.length, 0);
    this.#isOverfull = false;
  }
}
