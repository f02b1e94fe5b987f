/** A promise to be settled from outside. */
export function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** First in, first out; `take` waits for what is not there yet. */
export function createQueue<T>() {
  const items: T[] = [];
  const takers: ((item: T) => void)[] = [];
  return {
    push(item: T) {
      const taker = takers.shift();
      if (taker) taker(item);
      else items.push(item);
    },
    take(): Promise<T> {
      return items.length > 0 ? Promise.resolve(items.shift() as T) : new Promise((resolve) => takers.push(resolve));
    },
  };
}
