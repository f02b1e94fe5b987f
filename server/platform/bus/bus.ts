/**
 * Carries notices between the parts and processes of one installation. It may lose and repeat; whatever must not be lost
 * stands in the database, and the bus only says "look".
 */
export interface Bus {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Whether there may be other nodes at all. */
  readonly isShared: boolean;
  /** Whether the other nodes, if there are any, hear what is published now. */
  isConnected(): boolean;
  /** Hands `message` (plain JSON data) to every listener of `subject` on every node; never throws, never waits. */
  publish(subject: string, message: unknown): void;
  /** Calls `listener` for each message of exactly `subject`; returns what ends it. */
  subscribe(subject: string, listener: (message: unknown) => void): () => void;
  /**
   * Calls `listener` whenever notices may have been missed here, be it that this node did not hear them or that another could
   * not say them: a line was lost, a line stands again, a queue was full. Comes in order with the messages. A bus within one
   * process misses nothing. Returns what ends it.
   */
  onGap(listener: () => void): () => void;
}
