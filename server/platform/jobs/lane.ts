/** Hands things on in batches: all that came while the last one was under way as the next. */
export interface Lane<T> {
  push(thing: T): void;
  /** Puts things last after so many milliseconds. */
  pushLater(things: readonly T[], ms: number): void;
}

/** Most things of one batch. */
const MOST = 1_000;

/** `write` is called with one batch at a time, and never rejects. */
export function lane<T>(write: (batch: readonly T[]) => Promise<void>): Lane<T> {
  const queue: T[] = [];
  let isBusy = false;

  const run = async () => {
    // What comes in the same turn of the event loop goes together.
    await new Promise(setImmediate);
    while (queue.length > 0) await write(queue.splice(0, MOST));
    isBusy = false;
  };
  const push = (thing: T) => {
    queue.push(thing);
    if (isBusy) return;
    isBusy = true;
    void run();
  };

  return {
    push,
    pushLater: (things, ms) => void setTimeout(() => things.forEach(push), ms),
  };
}
