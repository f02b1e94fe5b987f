import type { Health } from "../health.js";

/** With the time an answer of `Health` is kept, a change is told well within a second. */
const LOOK_EVERY_MS = 250;

/** Follows whether the server is ready, by one look for all who follow. */
export interface Readiness {
  /** Calls back at every change; returns what ends that. */
  follow(changed: () => void): () => void;
  /** As it was at the last look. */
  isReady(): boolean;
  /** Looks now. */
  look(): Promise<void>;
}

export function createReadiness(health: Pick<Health, "isReady">): Readiness {
  const followers = new Set<() => void>();
  let ready = false;
  let looking: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const ask = async () => {
    const now = await health.isReady();
    looking = undefined;
    if (now === ready) return;
    ready = now;
    for (const changed of followers) changed();
  };
  const look = () => {
    looking ??= ask();
    return looking;
  };

  return {
    isReady: () => ready,
    look,
    follow(changed) {
      followers.add(changed);
      timer ??= setInterval(look, LOOK_EVERY_MS).unref();
      return () => {
        followers.delete(changed);
        if (followers.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}
