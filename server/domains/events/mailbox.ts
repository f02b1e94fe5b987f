import type { LoggedEvent } from "../../platform/events/index.js";

const MOST_EVENTS = 256;
/** Those of the moment: as many as come and go in one look at who is there. */
const MOST_MOMENTS = 1_024;
/** Characters of the data of all. */
const MOST_DATA = 1 << 20;

const isMoment = ({ offset }: LoggedEvent) => offset === 0;

/** Where the events of one stream wait for it: bounded, so that a reader who is behind costs no more than this. */
export class Mailbox {
  // Most streams never need it.
  #waiting: LoggedEvent[] | undefined;
  #moments = 0;
  #data = 0;
  #isOverfull = false;

  get isEmpty(): boolean {
    return this.#waiting === undefined;
  }

  /** Whether something that lasts was lost since the last `clear`. */
  get isOverfull(): boolean {
    return this.#isOverfull;
  }

  /**
   * False when it is too much. Of what is of the moment it is lost alone; for what lasts all moments make room, and when that is
   * not enough everything is lost.
   */
  put(event: LoggedEvent): boolean {
    if (this.#isOverfull) return false;
    if (isMoment(event)) return this.#add(event);
    if (this.#add(event)) return true;
    this.clear((waiting) => !isMoment(waiting));
    if (this.#add(event)) return true;
    this.clear();
    this.#isOverfull = true;
    return false;
  }

  /** The oldest event. */
  take(): LoggedEvent | undefined {
    const event = this.#waiting?.shift();
    if (event !== undefined) this.#count(event, -1);
    if (this.#waiting?.length === 0) this.#waiting = undefined;
    return event;
  }

  /** Forgets what waits, but for what `keep` chooses, and may be filled again. */
  clear(keep: (event: LoggedEvent) => boolean = () => false): void {
    const kept = this.#waiting?.filter(keep) ?? [];
    this.#waiting = kept.length === 0 ? undefined : kept;
    this.#moments = 0;
    this.#data = 0;
    for (const event of kept) this.#count(event, 1);
    this.#isOverfull = false;
  }

  #add(event: LoggedEvent): boolean {
    const isFull = isMoment(event)
      ? this.#moments >= MOST_MOMENTS
      : (this.#waiting?.length ?? 0) - this.#moments >= MOST_EVENTS;
    if (isFull || this.#data + event.data.length > MOST_DATA) return false;
    this.#waiting ??= [];
    this.#waiting.push(event);
    this.#count(event, 1);
    return true;
  }

  #count(event: LoggedEvent, sign: 1 | -1): void {
    if (isMoment(event)) this.#moments += sign;
    this.#data += sign * event.data.length;
  }
}
