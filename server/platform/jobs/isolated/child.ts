import type { FromChild, ToChild } from "./protocol.js";

/** A process or thread that runs jobs, as the server sees it. */
export interface Child {
  /** Undefined for a thread. */
  readonly pid: number | undefined;
  /** Does nothing when it is gone. Throws when the message cannot be copied. */
  send(message: ToChild): void;
  /** Asks it to end, when it has nothing to do. */
  dismiss(): void;
  /** Ends it, whatever it does. */
  kill(): void;
}

/** Who is told what happens to a child. */
export interface ChildEvents {
  onMessage(message: FromChild): void;
  /** It has ended; called once. `how` goes on a sentence, such as "ended with the code 1". */
  onGone(how: string): void;
}

/** How a child is started. */
export interface ChildOptions {
  /** The module it begins with, which is plain JavaScript. */
  readonly entry: string;
  /** Most MiB of its heap. */
  readonly memoryMb: number;
}

/** What is said of a child whose heap is full. */
export const OUT_OF_MEMORY = "ran out of memory";
