import { Code, ConnectError } from "@connectrpc/connect";

// Timers with a longer delay fire at once.
const LONGEST_TIMER_MS = 0x7fffffff;

/** Waiting that ends early: by a caller's signal or by a deadline. */
export interface Deadline {
  /** Aborted when the time is over or the caller gave up. */
  readonly signal: AbortSignal;
  /** Milliseconds left; Infinity when there is no limit. */
  remainingMs(): number;
  /** Lets go of the timer and the caller's signal. */
  stop(): void;
}

/** Starts the clock of a call; `timeoutMs` of 0, or beyond 24 days, is no limit. */
export function startDeadline(timeoutMs: number, signal: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  const unlink = linkAbort(signal, controller);
  const limited = timeoutMs > 0 && timeoutMs <= LONGEST_TIMER_MS;
  const end = limited ? performance.now() + timeoutMs : Number.POSITIVE_INFINITY;
  const timer = limited
    ? setTimeout(
        () => controller.abort(new ConnectError(`no answer within ${timeoutMs} ms`, Code.DeadlineExceeded)),
        timeoutMs,
      )
    : undefined;
  return {
    signal: controller.signal,
    remainingMs: () => end - performance.now(),
    stop() {
      clearTimeout(timer);
      unlink();
    },
  };
}

/** Aborts `controller` together with `signal`, until the returned function is called. */
export function linkAbort(signal: AbortSignal | undefined, controller: AbortController): () => void {
  if (!signal) return () => {};
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return () => signal.removeEventListener("abort", abort);
}

/** The promise's outcome, or a rejection as soon as the signal is aborted. What the promise does then is ignored. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(ConnectError.from(signal.reason, Code.Canceled));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Resolves after `ms` milliseconds; rejects as soon as the signal is aborted. */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await orAbort(
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms);
      }),
      signal,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** A wait that can be cut short. */
export interface Pause {
  /** Resolves after `ms` milliseconds or when it is cut; rejects as soon as the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Ends the wait that is going on. False: there is none. */
  cut(): boolean;
}

/** Makes one. */
export function createPause(): Pause {
  let waiting: AbortController | undefined;
  return {
    async wait(ms, signal) {
      const controller = new AbortController();
      const unlink = linkAbort(signal, controller);
      waiting = controller;
      try {
        await delay(ms, controller.signal);
      } catch (error) {
        if (signal.aborted) throw error;
      } finally {
        waiting = undefined;
        unlink();
      }
    },
    cut() {
      waiting?.abort();
      return waiting !== undefined;
    },
  };
}
