import type { Bus } from "./bus.js";

/** A bus of this process, which another bus may be built on. */
export interface MemoryBus extends Bus {
  /** Whether somebody listens to `subject`. */
  hears(subject: string): boolean;
  /** Tells those who asked for it that notices may have been missed. */
  gap(): void;
}

/** Where gaps are published: no text is the same. */
const GAP = Symbol("gap");

/** The bus of a single process. Listeners run after the publisher's own turn, in the order of publication. */
export function memoryBus(onError: (error: unknown) => void): MemoryBus {
  const listeners = new Map<string | symbol, Set<(message: unknown) => void>>();
  let queue: [subject: string | symbol, message: unknown][] = [];

  const deliver = () => {
    const batch = queue;
    queue = [];
    for (const [subject, message] of batch) {
      for (const listener of listeners.get(subject) ?? []) {
        try {
          listener(message);
        } catch (error) {
          onError(error);
        }
      }
    }
  };

  const publish = (subject: string | symbol, message: unknown) => {
    if (!listeners.has(subject)) return;
    if (queue.length === 0) queueMicrotask(deliver);
    queue.push([subject, message]);
  };
  const subscribe = (subject: string | symbol, listener: (message: unknown) => void) => {
    const own = (message: unknown) => listener(message);
    const set = listeners.get(subject) ?? new Set();
    listeners.set(subject, set.add(own));
    return () => {
      set.delete(own);
      if (set.size === 0 && listeners.get(subject) === set) listeners.delete(subject);
    };
  };

  return {
    isShared: false,
    async start() {},
    async stop() {
      listeners.clear();
      queue = [];
    },
    isConnected: () => true,
    hears: (subject) => listeners.has(subject),
    publish,
    subscribe,
    gap: () => publish(GAP, undefined),
    onGap: (listener) => subscribe(GAP, listener),
  };
}
