import { toBackstayError } from "./backstay-error.js";
import type { Event } from "./gen/backstay/events/v1/events_pb.js";
import { callSafely, reportUncaught } from "./listeners.js";
import type { SubscriptionStatus } from "./resume.js";
import {
  createSubscription,
  type SubscribeInit,
  type SubscribeOptions,
  type SubscriptionParts,
} from "./subscription.js";

/** Which events `events.on` follows besides their types, and how. */
export interface OnOptions extends Omit<SubscribeInit, "types">, SubscribeOptions {
  /**
   * Told whenever the connection comes and goes, and once `closed`, with the error when that was not wanted. Without it
   * such an error is reported as uncaught, so that events do not stay away unnoticed.
   */
  onStatus?: ((status: SubscriptionStatus) => void) | undefined;
}

/** A subscription that calls back. */
export interface EventsHandle {
  /** Whether events arrive now. */
  readonly status: SubscriptionStatus["status"];
  /** Where to resume to get everything that was not given to the callback yet. See {@link Subscription.cursor}. */
  readonly cursor: string;
  /** Ends it and its connection at once; nothing is called back any more but `onStatus`, with `closed`. */
  close(): void;
}

/** Follows events and calls back with each, one after the other. */
export function listen(
  parts: SubscriptionParts,
  types: string | readonly string[],
  callback: (event: Event) => unknown,
  options: OnOptions,
): EventsHandle {
  let current: SubscriptionStatus = { status: "connecting" };
  let closed = false;
  const tell = (next: SubscriptionStatus) => {
    current = next;
    callSafely(options.onStatus, next);
  };
  const wanted = [types].flat();
  const events = createSubscription(
    parts,
    { ...options, types: wanted.includes("*") ? [] : wanted },
    // The end is told here, with whatever brought it.
    { ...options, onStatus: (next) => next.status !== "closed" && tell(next) },
  );

  async function follow() {
    for await (const event of events) {
      if (closed) return;
      try {
        await callback(event);
      } catch (error) {
        reportUncaught(error);
      }
    }
  }
  follow().then(
    () => tell({ status: "closed" }),
    (thrown) => {
      tell({ status: "closed", error: toBackstayError(thrown) });
      if (!options.onStatus) reportUncaught(thrown);
    },
  );

  return {
    get status() {
      return current.status;
    },
    get cursor() {
      return events.cursor;
    },
    close() {
      closed = true;
      events.return();
    },
  };
}
