import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { JOB_COLUMNS, type JobRow, jobs, STATE } from "../../platform/queue/index.js";

const { queued, running, succeeded, dead, cancelled } = STATE;

/** The states by their numbers, as part of the text: an index of some states serves only what names them. */
const number = (state: number) => sql.raw(String(state));

export const findJob = statement<{ id: string }, JobRow>(
  (p) => sql`select ${JOB_COLUMNS} from ${jobs} where id = ${p.id}::uuid`,
);

export const findJobs = statement<{ ids: string[] }, JobRow>(
  (p) => sql`select ${JOB_COLUMNS} from ${jobs} where id = any(${p.ids}::uuid[])`,
);

/** A job that nobody else changes until the transaction ends. */
export const lockJob = statement<{ id: string }, JobRow>(
  (p) => sql`select ${JOB_COLUMNS} from ${jobs} where id = ${p.id}::uuid for update`,
);

/** Takes a unique key from another job, which is finished and whose time is over. */
export const releaseKey = statement<{ id: string; uniqueKey: string }, never>(
  (p) => sql`update ${jobs} set holds_key = false
    where unique_key = ${p.uniqueKey}::text and holds_key and id <> ${p.id}::uuid
      and state in (${number(succeeded)}, ${number(dead)}, ${number(cancelled)})
      and coalesce(unique_until <= statement_timestamp(), true)`,
);

/** Has a finished job wait for its first attempt again. Breaks jobs_unique when another holds its key. */
export const requeueJob = statement<{ id: string }, JobRow>(
  (p) => sql`update ${jobs} set state = ${number(queued)}, due = true, parked = false, attempts = 0,
      run_at = statement_timestamp(), finished_at = null, worker_id = null, holds_key = unique_key is not null
    where id = ${p.id}::uuid
    returning ${JOB_COLUMNS}`,
);

/** Has a job that waits for its time wait no longer; one that waits for those of its order key still waits for them. */
export const hastenJob = statement<{ id: string }, JobRow>(
  (p) => sql`update ${jobs} set run_at = least(run_at, statement_timestamp()), due = not parked
    where id = ${p.id}::uuid
    returning ${JOB_COLUMNS}`,
);

/** Ends a job. Whoever runs it has lost it: his number is no longer the last. */
export const cancelJob = statement<{ id: string }, JobRow>(
  (p) => sql`update ${jobs} set state = ${number(cancelled)}, due = false, parked = false, worker_id = null,
      fence = fence + (state = ${number(running)})::int, finished_at = statement_timestamp(),
      holds_key = unique_key is not null and coalesce(unique_until > statement_timestamp(), false)
    where id = ${p.id}::uuid
    returning ${JOB_COLUMNS}`,
);

export interface Purge {
  name: string | undefined;
  queue: string | undefined;
  finishedBefore: Date | undefined;
  limit: number;
}

/** Of one state, since an index serves only what names its states. */
const purge = (state: number) =>
  statement<Purge, { id: string }>(
    (p) => sql`delete from ${jobs} where id in (
      select id from ${jobs}
      where state = ${number(state)} and finished_at < coalesce(${p.finishedBefore}::timestamptz, 'infinity')
        and (${p.name}::text is null or name = ${p.name}::text)
        and (${p.queue}::text is null or queue = ${p.queue}::text)
        and not (holds_key and coalesce(unique_until > statement_timestamp(), false))
      order by finished_at limit ${p.limit}::int for update skip locked)
    returning id`,
  );

/**
 * Deletes finished jobs, those first that were finished first. One that is changed just now stays, and one whose unique key still
 * holds.
 */
export const PURGES = new Map([succeeded, dead, cancelled].map((state) => [state as number, purge(state)]));
