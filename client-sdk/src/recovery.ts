import { type Backoff, backoffMs } from "./backoff.js";
import { type BackstayError, toBackstayError } from "./backstay-error.js";
import { isStaleToken } from "./call.js";
import { orAbort } from "./cancellation.js";
import type { Session } from "./session.js";

/** Errors that a new connection may not meet. An error of the server's own (`internal`) is hoped to pass as well. */
const PASSING = new Set([
  "unavailable",
  "aborted",
  "canceled",
  "deadline_exceeded",
  "unknown",
  "internal",
  "data_loss",
]);

/** What is known, over many connections, of how to get the next. */
export interface Recovery {
  /** The server said something on this connection: its token works; `useful` is more than that the connection stands. */
  heard(useful: boolean): void;
  /**
   * What to do about a connection that broke, and was made with the token `bearer`: how long to wait before the next, in
   * milliseconds. Rejects when there is no point in one.
   */
  after(error: BackstayError, bearer: string | undefined): Promise<{ delayMs: number; error: BackstayError }>;
}

/** Makes one. */
export function createRecovery(parts: { session: Session; reconnect: Backoff; stop: AbortSignal }): Recovery {
  const { session, reconnect, stop } = parts;
  let failures = 0;
  let renewed = false;
  return {
    heard(useful) {
      renewed = false;
      if (useful) failures = 0;
    },
    async after(error, bearer) {
      let reason = error;
      if (isStaleToken(error) && bearer && !renewed) {
        try {
          renewed = await orAbort(session.renew(bearer), stop);
          if (renewed) return { delayMs: 0, error };
        } catch (thrown) {
          reason = toBackstayError(thrown);
        }
      }
      if (!isPassing(reason)) throw reason;
      failures++;
      return { delayMs: backoffMs(reconnect, failures) + (reason.retryAfterMs ?? 0), error: reason };
    },
  };
}

function isPassing({ code, reason, retryAfterMs }: BackstayError): boolean {
  if (code === "resource_exhausted") return reason === "SLOW_READER" || retryAfterMs !== undefined;
  return PASSING.has(code);
}
