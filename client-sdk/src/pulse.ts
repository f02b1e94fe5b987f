const ANSWER_MS = 10_000;
const HURRIED_ANSWER_MS = 3_000;

/** Finds out that a connection is dead, which by itself may say nothing for hours. */
export interface Pulse {
  /** The other side said something. */
  heard(): void;
  /** There is doubt: asks now. */
  doubt(): void;
  stop(): void;
}

/** Calls `ask` after `everyMs` of silence, and `onDead` when that is not answered within 10 s (3 s in doubt). */
export function startPulse(everyMs: number, ask: () => void, onDead: () => void): Pulse {
  let timer = setTimeout(doubt, everyMs, ANSWER_MS);
  function doubt(answerMs: number) {
    clearTimeout(timer);
    timer = setTimeout(onDead, answerMs);
    ask();
  }
  return {
    heard() {
      clearTimeout(timer);
      timer = setTimeout(doubt, everyMs, ANSWER_MS);
    },
    doubt: () => doubt(HURRIED_ANSWER_MS),
    stop: () => clearTimeout(timer),
  };
}
