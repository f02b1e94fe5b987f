import { sql } from "drizzle-orm";
import type { JsonObject, MissedTicks } from "../../kernel/jobs.js";
import { statement } from "../db/statement.js";
import type { JobRow } from "../queue/rows.js";
import { crons } from "../queue/schema.js";
import { insertJobsFrom } from "../queue/store-submit.js";

/** A cron as a node declares it. */
export interface CronInsert {
  id: string;
  expression: string;
  time_zone: string;
  job_name: string;
  args: JsonObject;
  queue: string | undefined;
  missed: MissedTicks;
}

/**
 * Writes crons as they are declared. The next time stays where the times are the same, so that those which passed while no node
 * was there are known; else it is null until somebody finds it.
 */
export const declareCrons = statement<{ rows: CronInsert[] }, never>(
  (p) => sql`insert into ${crons} as known (id, expression, time_zone, job_name, args, queue, missed, seen_at)
    select r.*, statement_timestamp() from jsonb_to_recordset(${p.rows}::jsonb) as r(id text, expression text,
      time_zone text, job_name text, args jsonb, queue text, missed text)
    order by r.id
    on conflict (id) do update set expression = excluded.expression, time_zone = excluded.time_zone,
      job_name = excluded.job_name, args = excluded.args, queue = excluded.queue, missed = excluded.missed,
      next_at = case when (known.expression, known.time_zone) = (excluded.expression, excluded.time_zone) then known.next_at end,
      seen_at = excluded.seen_at`,
);

/** Says that crons are still declared. What another node says at the same time need not be said again. */
export const tellSeen = statement<{ ids: string[] }, never>(
  (p) => sql`update ${crons} set seen_at = statement_timestamp() where id in (
      select id from ${crons} where id = any(${p.ids}::text[]) and seen_at < statement_timestamp() - interval '30 seconds'
      for update skip locked
    )`,
);

/** How a cron stands. */
export interface CronRow {
  id: string;
  expression: string;
  timeZone: string;
  jobName: string;
  missed: MissedTicks;
  paused: boolean;
  nextAt: Date | null;
  /** The time, by the database's clock. */
  now: Date;
}

/** How crons stand now. */
export const readCrons = statement<{ ids: string[] }, CronRow>(
  (
    p,
  ) => sql`select id, expression, time_zone, job_name, missed, paused_at is not null as paused, next_at, clock_timestamp() as now
    from ${crons} where id = any(${p.ids}::text[])`,
);

/** From which time to which a cron is to be moved, as long as it stands as it was found. Times as ISO text. */
export interface CronMove {
  id: string;
  expression: string;
  time_zone: string;
  job_name: string;
  from_tick: string | null;
  following: string;
  last_tick: string | undefined;
  last_job_id: string | undefined;
}

/** A job to submit when its cron is moved; name, arguments and queue are the cron's. */
export interface CronJob {
  id: string;
  cron_id: string;
  tick: string;
  /** The job's own, for crons that name none. */
  queue: string;
  max_attempts: number;
  timeout_ms: number | undefined;
}

/**
 * Moves crons on and submits their jobs, both or neither: whoever moves one submits, nobody else does. One that is locked is left
 * out, it is somebody's who moves it just now. So is everything, when the decision is older than ten seconds: a process that was
 * paused meanwhile has to look anew. Answers what was moved, with each job.
 */
export const moveCrons = statement<
  { at: string; moves: CronMove[]; jobs: CronJob[] },
  { cronId: string } & { [Name in "id" | "queue"]: JobRow[Name] | null }
>(
  (p) => sql`with mine as (
      select c.id, m.following, m.last_tick, m.last_job_id
      from jsonb_to_recordset(${p.moves}::jsonb) as m(id text, expression text, time_zone text, job_name text,
        from_tick timestamptz, following timestamptz, last_tick timestamptz, last_job_id uuid)
      join ${crons} c on c.id = m.id
      where date_trunc('milliseconds', c.next_at) is not distinct from m.from_tick and c.paused_at is null
        and (c.expression, c.time_zone, c.job_name) = (m.expression, m.time_zone, m.job_name)
        and clock_timestamp() between ${p.at}::timestamptz and ${p.at}::timestamptz + interval '10 seconds'
      for update of c skip locked
    ), moved as (
      update ${crons} c set next_at = mine.following, last_at = coalesce(mine.last_tick, c.last_at),
        last_job_id = coalesce(mine.last_job_id, c.last_job_id)
      from mine where c.id = mine.id
      returning c.id, c.job_name, c.args, c.queue
    ), submitted as (${insertJobsFrom(sql`(
      select j.id, m.job_name as name, coalesce(m.queue, j.queue) as queue, m.args, null::timestamptz as run_at,
        0::smallint as priority, j.max_attempts, j.timeout_ms, null::text as unique_key, null::bigint as unique_for,
        null::text as order_key, m.id as cron_id, j.tick as cron_tick
      from jsonb_to_recordset(${p.jobs}::jsonb) as j(id uuid, cron_id text, tick timestamptz, queue text, max_attempts int,
        timeout_ms int)
      join moved m on m.id = j.cron_id
      order by j.tick
    )`)})
    select m.id as cron_id, s.id, s.queue from moved m left join submitted s on s.cron_id = m.id`,
);
