import { type SQL, sql } from "drizzle-orm";
import { statement } from "../db/statement.js";
import { JOB_COLUMNS, type JobRow } from "./rows.js";
import { jobQueues, jobs } from "./schema.js";

/** A job to insert. Times as ISO text: it travels as JSON. */
export interface JobInsert {
  id: string;
  name: string;
  queue: string;
  args: object;
  run_at: string | undefined;
  /** The same in milliseconds from now on. */
  delay: number | undefined;
  priority: number;
  max_attempts: number;
  timeout_ms: number | undefined;
  unique_key: string | undefined;
  /** Milliseconds from now on. */
  unique_for: number | undefined;
  order_key: string | undefined;
  cron_id: string | undefined;
  cron_tick: string | undefined;
}

/**
 * A piece of a larger statement: inserts jobs from rows `r` of the columns of JobInsert; those whose unique key, or whose tick of
 * a cron, is taken are left out. Returns JobRows.
 */
export function insertJobsFrom(from: SQL): SQL {
  return sql`insert into ${jobs} (id, name, queue, args, due, priority, run_at, max_attempts, timeout_ms, unique_key, holds_key,
      unique_until, order_key, cron_id, cron_tick, created_at)
    select r.id, r.name, r.queue, r.args, coalesce(r.run_at <= statement_timestamp(), true), r.priority,
      greatest(r.run_at, statement_timestamp()), r.max_attempts, r.timeout_ms, r.unique_key, r.unique_key is not null,
      statement_timestamp() + r.unique_for * interval '1 ms', r.order_key, r.cron_id, r.cron_tick, statement_timestamp()
    from ${from} as r
    on conflict do nothing
    returning ${JOB_COLUMNS}`;
}

/** Inserts jobs; those whose unique key, or whose tick of a cron, is taken are left out. */
export const insertJobs = statement<{ rows: JobInsert[] }, JobRow>((p) =>
  insertJobsFrom(sql`(select id, name, queue, args, coalesce(run_at, statement_timestamp() + delay * interval '1 ms') as run_at,
      priority, max_attempts, timeout_ms, unique_key, unique_for, order_key, cron_id, cron_tick
    from jsonb_to_recordset(${p.rows}::jsonb) as given (id uuid, name text, queue text, args jsonb, run_at timestamptz,
      delay bigint, priority smallint, max_attempts int, timeout_ms int, unique_key text, unique_for bigint, order_key text,
      cron_id text, cron_tick timestamptz))`),
);

/** The job that holds a unique key. `held` is whether it still does: one that is finished gives it up when its time is over. */
export const findHolder = statement<{ uniqueKey: string }, JobRow & { held: boolean }>(
  (p) => sql`select ${JOB_COLUMNS}, state in (1, 2, 3) or unique_until > statement_timestamp() as held
    from ${jobs} where unique_key = ${p.uniqueKey}::text and holds_key`,
);

/** Takes a unique key from a finished job whose time is over. */
export const releaseKey = statement<{ uniqueKey: string }, never>(
  (p) => sql`update ${jobs} set holds_key = false
    where unique_key = ${p.uniqueKey}::text and holds_key and state in (4, 5, 6)
      and coalesce(unique_until <= statement_timestamp(), true)`,
);

/** Gives a job that waits other arguments and another time, as a moment or as milliseconds from now; nothing when it does not wait. */
export const replaceJob = statement<
  { id: string; args: object; runAt: Date | undefined; delay: number | undefined },
  JobRow
>(
  (p) => sql`update ${jobs} set args = ${p.args}::jsonb, run_at = coalesce(t.at, statement_timestamp()),
      due = coalesce(t.at <= statement_timestamp(), true) and not parked, fence = fence + 1
    from (select greatest(coalesce(${p.runAt}::timestamptz, statement_timestamp() + ${p.delay}::bigint * interval '1 ms'),
      statement_timestamp()) as at) t
    where id = ${p.id}::uuid and state in (1, 3)
    returning ${JOB_COLUMNS}`,
);

/** A job by its id, or by the tick of a cron. */
export const findByTick = statement<{ cronId: string; tick: string }, JobRow>(
  (p) =>
    sql`select ${JOB_COLUMNS} from ${jobs} where cron_id = ${p.cronId}::text and cron_tick = ${p.tick}::timestamptz`,
);

/** Makes queues known, which workers look for jobs in. */
export const ensureQueues = statement<{ names: string[] }, never>(
  (p) => sql`insert into ${jobQueues} (name) select unnest(${p.names}::text[]) on conflict do nothing`,
);
