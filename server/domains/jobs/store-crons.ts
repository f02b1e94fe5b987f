import { sql } from "drizzle-orm";
import type { JsonObject } from "../../kernel/jobs.js";
import { statement } from "../../platform/db/index.js";
import { crons } from "../../platform/queue/index.js";

/** A cron as it stands in the database. */
export interface CronRow {
  id: string;
  expression: string;
  timeZone: string;
  jobName: string;
  args: JsonObject;
  queue: string | null;
  missed: string;
  pausedAt: Date | null;
  nextAt: Date | null;
  lastAt: Date | null;
  lastJobId: string | null;
}

const columns = sql.raw(
  "id, expression, time_zone, job_name, args, queue, missed, paused_at, next_at, last_at, last_job_id",
);

export const listCrons = statement<object, CronRow>(() => sql`select ${columns} from ${crons} order by id collate "C"`);

export const findCron = statement<{ id: string }, CronRow>(
  (p) => sql`select ${columns} from ${crons} where id = ${p.id}::text`,
);

/** Pauses a cron; one that is paused already stays as it is. */
export const pauseCron = statement<{ id: string }, CronRow>(
  (p) => sql`update ${crons} set paused_at = coalesce(paused_at, statement_timestamp()), next_at = null
    where id = ${p.id}::text
    returning ${columns}`,
);

/** Resumes a cron that is paused; its next time is then found anew by whoever keeps the clock. */
export const resumeCron = statement<{ id: string }, CronRow>(
  (p) => sql`update ${crons} set next_at = case when paused_at is null then next_at end, paused_at = null
    where id = ${p.id}::text
    returning ${columns}`,
);
