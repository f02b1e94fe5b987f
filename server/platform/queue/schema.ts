import { isNotNull, sql } from "drizzle-orm";
import { bigserial, boolean, check, index, integer, jsonb, smallint, text, uniqueIndex } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../db/columns.js";

/** States of a job, as JobState of the contract numbers them. */
export const STATE = { queued: 1, running: 2, retrying: 3, succeeded: 4, dead: 5, cancelled: 6 } as const;

/** Jobs: what is to be done, is being done, and for a while what was done. */
export const jobs = backstay.table(
  "jobs",
  {
    id: id("id").primaryKey(),
    /** The order of submission. */
    seq: bigserial("seq", { mode: "bigint" }).notNull(),
    name: text("name").notNull(),
    queue: text("queue").notNull(),
    args: jsonb("args").notNull(),
    state: smallint("state").notNull().default(STATE.queued),
    /** Whether a worker may take it now. One that waits and is not due waits for its time, or is parked. */
    due: boolean("due").notNull(),
    /** Waits for those of its order key before it; whoever finishes one of them makes the next due. */
    parked: boolean("parked").notNull().default(false),
    priority: smallint("priority").notNull(),
    runAt: moment("run_at").notNull(),
    orderKey: text("order_key"),
    uniqueKey: text("unique_key"),
    /** Whether the unique key is taken by it: while it is not finished, and until `unique_until`. */
    holdsKey: boolean("holds_key").notNull(),
    uniqueUntil: moment("unique_until"),
    /** Attempts since it was submitted or replayed; counted when a worker takes it. */
    attempts: integer("attempts").notNull().default(0),
    maxAttempts: integer("max_attempts").notNull(),
    /** Counts every taking, for good: what a worker writes counts only while its number is the last. */
    fence: integer("fence").notNull().default(0),
    timeoutMs: integer("timeout_ms"),
    workerId: id("worker_id"),
    progress: jsonb("progress"),
    result: jsonb("result"),
    lastError: text("last_error"),
    cronId: text("cron_id"),
    cronTick: moment("cron_tick"),
    createdAt: moment("created_at").notNull(),
    startedAt: moment("started_at"),
    finishedAt: moment("finished_at"),
  },
  (t) => [
    index("jobs_due").on(t.queue, t.name, t.priority.desc().nullsFirst(), t.runAt, t.seq).where(t.due.getSQL()),
    index("jobs_later").on(t.runAt).where(sql`not ${t.due} and not ${t.parked} and ${t.state} in (1, 3)`),
    index("jobs_running").on(t.workerId).where(sql`${t.state} = 2`),
    uniqueIndex("jobs_unique").on(t.uniqueKey).where(t.holdsKey.getSQL()),
    index("jobs_ordered").on(t.orderKey, t.seq).where(sql`${t.orderKey} is not null and ${t.state} in (1, 2, 3)`),
    uniqueIndex("jobs_order_running").on(t.orderKey).where(sql`${t.orderKey} is not null and ${t.state} = 2`),
    uniqueIndex("jobs_cron").on(t.cronId, t.cronTick).where(isNotNull(t.cronId)),
    index("jobs_finished").on(t.finishedAt).where(isNotNull(t.finishedAt)),
    index("jobs_dead").on(t.queue).where(sql`${t.state} = 5`),
    check("jobs_unique_key_length", sql`length(${t.uniqueKey}) <= 255`),
    check("jobs_order_key_length", sql`length(${t.orderKey}) <= 255`),
  ],
);

/** Queues that jobs were ever submitted to. */
export const jobQueues = backstay.table("job_queues", {
  name: text("name").primaryKey(),
  pausedAt: moment("paused_at"),
});

/** Worker processes: one that did not say for a while that it is there has lost what it had taken. */
export const jobWorkers = backstay.table("job_workers", {
  id: id("id").primaryKey(),
  leaseUntil: moment("lease_until").notNull(),
});

/** What is done by the clock. Whoever moves `next_at` on submits the job: nobody else does for that time. */
export const crons = backstay.table("crons", {
  id: text("id").primaryKey(),
  expression: text("expression").notNull(),
  timeZone: text("time_zone").notNull(),
  jobName: text("job_name").notNull(),
  args: jsonb("args").notNull(),
  queue: text("queue"),
  missed: text("missed").notNull(),
  pausedAt: moment("paused_at"),
  /** Null when there is no more. */
  nextAt: moment("next_at"),
  lastAt: moment("last_at"),
  lastJobId: id("last_job_id"),
  /** When a node last said that it has it declared. */
  seenAt: moment("seen_at").notNull(),
});
