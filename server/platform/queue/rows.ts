import { sql } from "drizzle-orm";
import type { JsonObject } from "../../kernel/jobs.js";

/** A job as it stands in the database. */
export interface JobRow {
  id: string;
  seq: bigint;
  name: string;
  queue: string;
  args: JsonObject;
  /** A value of STATE. */
  state: number;
  /** Whether a worker may take it now. */
  due: boolean;
  attempts: number;
  maxAttempts: number;
  priority: number;
  runAt: Date;
  uniqueKey: string | null;
  orderKey: string | null;
  timeoutMs: number | null;
  /** Any JSON value; null is none. */
  progress: unknown;
  result: unknown;
  lastError: string | null;
  cronId: string | null;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  /** Tells the times it becomes due, and the takings, from each other. */
  fence: number;
}

/** The columns of a JobRow. */
export const JOB_COLUMNS = sql.raw(
  [
    "id, seq, name, queue, args, state, due, attempts, max_attempts, priority, run_at, unique_key, order_key, timeout_ms",
    "progress, result, last_error, cron_id, created_at, started_at, finished_at, fence",
  ].join(", "),
);
