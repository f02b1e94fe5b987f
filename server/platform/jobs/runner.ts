import type { JsonObject } from "../../kernel/jobs.js";
import type { ClaimedJob, DueJob } from "../queue/queue.js";

/** What became of an attempt. */
export type Outcome =
  /** Done; its completion is still to be written. */
  | { readonly kind: "done"; readonly result: unknown }
  /** Done, and committed together with what its transaction wrote; `woken` are jobs that wait for nothing else now. */
  | { readonly kind: "committed"; readonly woken: readonly DueJob[] }
  /** Failed; `final` when trying again is of no use. */
  | { readonly kind: "failed"; readonly error: string; readonly final?: boolean }
  /** It was no longer this worker's. */
  | { readonly kind: "lost" };

/** What a running job says while it runs. */
export interface JobLine {
  /** Fires when the attempt is to end; its reason says why, in words that `lastError` shows. */
  readonly signal: AbortSignal;
  /** Told when the job begins: the attempt's time starts here. Absent where that is told in another way. */
  began?(): void;
  /** Begins the attempt's time anew; rejects with JOB_LOST. */
  heartbeat(): Promise<void>;
  progress(value: unknown): void;
  log(message: string, facts?: JsonObject): void;
  /** Told each time the job's own code is about to go on, as far as that is seen; absent where nobody watches. */
  active?(): void;
}

/** Runs jobs: in this process, in threads of it, or in processes of their own. */
export interface Runner {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** How many it can run at once. */
  readonly size: number;
  /**
   * Runs an attempt, once there is a place for it. Never rejects: whatever goes wrong is an outcome. After the signal fired it answers within two seconds where
   * the job can be ended by force, and when the job itself ends otherwise.
   */
  run(job: ClaimedJob, line: JobLine): Promise<Outcome>;
}
