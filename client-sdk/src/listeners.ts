/** Functions that want to hear of something. */
export interface Listeners<T> {
  /** Adds one, until the returned function is called. */
  add(listener: (value: T) => void): () => void;
  emit(value: T): void;
}

/** An empty set of listeners. One that throws neither stops the others nor whoever emits; its error is reported. */
export function createListeners<T>(): Listeners<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    add(listener) {
      // A function of its own, so that the same listener may be added twice and removed once.
      const entry = (value: T) => listener(value);
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    emit(value) {
      for (const listener of [...listeners]) callSafely(listener, value);
    },
  };
}

/** Calls a function of the app; what it throws is reported as uncaught rather than thrown into the client. */
export function callSafely<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    reportUncaught(error);
  }
}

/** Hands an error that nobody waits for to the page or process, as an uncaught one. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
