import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { JOB_COLUMNS, type JobRow, jobQueues, jobs } from "../../platform/queue/index.js";

/** A queue, with how many jobs are how far. */
export interface QueueRow {
  name: string;
  pausedAt: Date | null;
  due: bigint;
  waiting: bigint;
  running: bigint;
  dead: bigint;
  /** Milliseconds that the oldest of those that are due has waited. */
  oldestMs: number | null;
}

/** Each count reads an index of its own; finished jobs, which may be millions, are looked at by none. */
function queues(chosen: SQL, ofQueue: SQL): SQL {
  const counts = (which: string) =>
    sql`(select queue, count(*) as jobs, min(run_at) as oldest from ${jobs} where ${sql.raw(which)} and ${ofQueue} group by queue)`;
  return sql`with due as ${counts("due")},
      later as ${counts("not due and not parked and state in (1, 3)")},
      parked as ${counts("parked and order_key is not null and state in (1, 2, 3)")},
      running as ${counts("state = 2")},
      dead as ${counts("state = 5")}
    select q.name, q.paused_at, coalesce(due.jobs, 0) as due, coalesce(later.jobs, 0) + coalesce(parked.jobs, 0) as waiting,
      coalesce(running.jobs, 0) as running, coalesce(dead.jobs, 0) as dead,
      floor(extract(epoch from statement_timestamp() - due.oldest) * 1000)::float8 as oldest_ms
    from ${jobQueues} q
      left join due on due.queue = q.name
      left join later on later.queue = q.name
      left join parked on parked.queue = q.name
      left join running on running.queue = q.name
      left join dead on dead.queue = q.name
    where ${chosen}
    order by q.name collate "C"`;
}

export const listQueues = statement<object, QueueRow>(() => queues(sql`true`, sql`true`));

export const findQueue = statement<{ name: string }, QueueRow>((p) =>
  queues(sql`q.name = ${p.name}::text`, sql`queue = ${p.name}::text`),
);

/** Pauses a queue that is not paused. */
export const pauseQueue = statement<{ name: string }, never>(
  (p) =>
    sql`update ${jobQueues} set paused_at = statement_timestamp() where name = ${p.name}::text and paused_at is null`,
);

/** Resumes a queue that is paused, and answers it then. */
export const resumeQueue = statement<{ name: string }, { name: string }>(
  (p) =>
    sql`update ${jobQueues} set paused_at = null where name = ${p.name}::text and paused_at is not null returning name`,
);

/** The jobs of a queue that go first. */
export const findDue = statement<{ name: string; limit: number }, JobRow>(
  (p) => sql`select ${JOB_COLUMNS} from ${jobs} where due and queue = ${p.name}::text
    order by priority desc, run_at, seq limit ${p.limit}::int`,
);
