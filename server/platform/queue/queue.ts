import type { JobRow } from "./rows.js";

/** A job that a worker has taken: its own for as long as its number is the last and its lease holds. */
export interface ClaimedJob
  extends Pick<JobRow, "id" | "name" | "queue" | "args" | "maxAttempts" | "orderKey" | "timeoutMs"> {
  readonly attempt: number;
  /** Counts the takings of this job. */
  readonly fence: number;
  /** Whose it is. */
  readonly workerId: string;
}

/** A job that has become due. */
export interface DueJob {
  readonly id: string;
  readonly queue: string;
  /** Tells this time of becoming due from the others. */
  readonly fence: number;
}

/** The hands of this node: what of the jobs there are it would take now. */
export interface Hands {
  /** How many more jobs it could run at once; what a look under way asks for is not free. */
  free(): number;
  /** Looks for due jobs of some queues, or of any, and takes at most so many; answers how many it took. Never rejects. */
  take(most: number, queues?: readonly string[]): Promise<number>;
  /** The queues whose jobs it takes: all that are known, or those of the setting. */
  queues(): readonly string[];
}

/**
 * Tells the workers of every node that jobs are due. The jobs stand in the database and are taken there, so that what is told
 * may be lost, late or told twice: each node also looks by itself from time to time. A queue says when, and how many.
 */
export interface Queue {
  start(hands: Hands): Promise<void>;
  stop(): Promise<void>;
  /** Says which jobs are committed and due; never waits, never throws. */
  offer(due: readonly DueJob[]): void;
  /** Says that this node has hands free again. */
  freed(): void;
  /** Whether it brings what other nodes offer. */
  isConnected(): boolean;
}
