import type { LoggedEvent } from "./events.js";

type Listener = (event: LoggedEvent) => void;

/** Hands the events of this node to its streams. */
export interface Hub {
  publish(event: LoggedEvent): void;
  /** Calls `listener` with every event of a topic; returns what ends it. */
  subscribe(topic: string, listener: Listener): () => void;
}

export function createHub(onError: (error: unknown) => void): Hub {
  const topics = new Map<string, Set<{ readonly listener: Listener }>>();
  return {
    publish(event) {
      for (const { listener } of topics.get(event.topic) ?? []) {
        try {
          listener(event);
        } catch (error) {
          onError(error);
        }
      }
    },
    subscribe(topic, listener) {
      // An entry of its own, so that the same listener may come twice and leave once.
      const own = { listener };
      const listeners = topics.get(topic) ?? new Set();
      topics.set(topic, listeners.add(own));
      return () => {
        listeners.delete(own);
        if (listeners.size === 0 && topics.get(topic) === listeners) topics.delete(topic);
      };
    },
  };
}
