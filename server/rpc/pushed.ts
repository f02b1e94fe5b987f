import { DomainError } from "../kernel/errors.js";
import { type Outlet, Pushed } from "../manifest.js";

/** A stream that is asked for each item, as one that pushes them: it asks for the next when the reader has room. */
export function pushing<T>(items: AsyncIterable<T>): Pushed<T> {
  return new Pushed(async (outlet: Outlet<T>) => {
    for await (const item of items) {
      if (!outlet.write(item)) await new Promise<void>((resolve) => outlet.onDrain(resolve));
    }
  });
}

/** The other way round. Items wait for whoever asks; the writer is told that he is behind while one does. */
export async function* pulled<T>(stream: Pushed<T>): AsyncGenerator<T> {
  const waiting: T[] = [];
  let wake = () => {};
  let caughtUp = () => {};
  let isClosed = false;
  let end: { error?: unknown } | undefined;
  stream
    .run({
      write(item) {
        if (isClosed) throw new DomainError("CALL_CANCELED");
        waiting.push(item);
        wake();
        return false;
      },
      onDrain: (listener) => {
        caughtUp = listener;
      },
    })
    .then(
      () => {
        end = {};
      },
      (error) => {
        end = { error };
      },
    )
    .finally(() => wake());
  try {
    for (;;) {
      const item = waiting.shift();
      if (item !== undefined) {
        yield item;
        // Asked again: the item was taken.
        if (waiting.length === 0) caughtUp();
      } else if (end !== undefined) {
        if ("error" in end) throw end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    // Nobody asks any more: whoever waits for room goes on, and is refused by his next write.
    isClosed = true;
    caughtUp();
  }
}
