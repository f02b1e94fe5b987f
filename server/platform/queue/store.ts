import { type SQL, sql } from "drizzle-orm";
import { statement } from "../db/statement.js";
import type { ClaimedJob, DueJob } from "./queue.js";
import { JOB_COLUMNS, type JobRow } from "./rows.js";
import { jobQueues, jobs, jobWorkers } from "./schema.js";
import { plannedAnew } from "./store-planned.js";

/** Whose job it is, and which taking of it: what a worker writes counts only while both still hold. */
export interface Holding {
  id: string;
  workerId: string;
  fence: number;
}

/** Rows that one statement rescues or promotes at most. */
export const BATCH = 1_000;

/** What a row that is finished now looks like, besides its state. */
const FINISHED = sql`finished_at = statement_timestamp(), due = false,
  holds_key = holds_key and coalesce(unique_until > statement_timestamp(), false)`;

/** The same for rows of which `ended` says whether they are finished. */
const finishedWhere = (ended: SQL) => sql`finished_at = case when ${ended} then statement_timestamp() end,
  holds_key = holds_key and (not ${ended} or coalesce(unique_until > statement_timestamp(), false))`;

/** Jobs of one name that are wanted. Named as the statement reads them. */
export interface Wanted {
  name: string;
  /** So many of them at most. */
  room: number;
  /** Who runs them, by number, and so many of all that he runs at most. */
  runner: number;
  runner_room: number;
}

/** Which jobs are wanted, `most` in all: of all queues when `queues` is absent. */
export interface ClaimInput {
  workerId: string;
  wanted: readonly Wanted[];
  queues: readonly string[] | undefined;
  most: number;
  /** So many more of each name are looked at for those that need not wait for others. */
  further: number;
}

/** A taken job, or one that was met and has to wait for others of its order key: of that only the id says anything. */
export type MetJob = Omit<ClaimedJob, "workerId"> & { readonly blocked: boolean };

/**
 * Takes due jobs, the most urgent first, for a worker that has its lease. What others are just taking is passed over. Each name
 * in each queue is looked through by its own part of the index: a queue that is paused, or a name that nobody has room for,
 * costs nothing, however much of it there is.
 */
export const claimJobs = plannedAnew<ClaimInput, MetJob>(
  (p, now) => sql`with met as materialized (
    select d.id, d.priority, d.run_at, d.seq, w.*, d.order_key is not null and (
        (select o.seq from ${jobs} o where o.order_key = d.order_key and o.state in (1, 2, 3) order by o.seq limit 1) < d.seq
        or exists (select from ${jobs} o where o.order_key = d.order_key and o.state = 2)
      ) as blocked
    from ${jobQueues} q
    cross join jsonb_to_recordset(${p.wanted}::jsonb) as w(name text, room int, runner int, runner_room int)
    cross join lateral (
      select id, order_key, seq, priority, run_at from ${jobs}
      where due and queue = q.name and name = w.name
      order by priority desc, run_at, seq limit w.room + ${p.further}::int for update skip locked
    ) d
    where q.paused_at is null and ${now} and (${p.queues}::text[] is null or q.name = any(${p.queues}::text[]))
      and exists (select from ${jobWorkers} where id = ${p.workerId}::uuid and lease_until > statement_timestamp())
  ), of_name as (
    select *, row_number() over (partition by name order by priority desc, run_at, seq) as nth from met where not blocked
  ), of_runner as (
    select id, priority, run_at, seq, runner_room,
      row_number() over (partition by runner order by priority desc, run_at, seq) as nth
    from of_name where nth <= room
  ), taken as (
    update ${jobs} set state = 2, due = false, attempts = attempts + 1, fence = fence + 1, worker_id = ${p.workerId}::uuid,
      started_at = statement_timestamp()
    where id = any(array(select id from of_runner where nth <= runner_room order by priority desc, run_at, seq limit ${p.most}::int))
    returning id, name, queue, args, attempts as attempt, max_attempts, order_key, timeout_ms, fence
  )
  select *, false as blocked from taken
  union all
  select id, null, null, null, null, null, null, null, null, true from met where blocked`,
);

/**
 * Parks jobs that were met while others of their order keys were before them. One of those is held meanwhile: whoever
 * finishes it does so either before, so that nothing is parked, or after, and finds the parked ones. One that somebody has in
 * hand just now is not waited for: its job stays due and is met again. Answers those that are parked now.
 */
export const parkJobs = statement<{ ids: readonly string[] }, { id: string }>(
  (p) => sql`with met as materialized (
    select id, order_key, seq from ${jobs} where id = any(${p.ids}::uuid[]) and due order by id for update skip locked
  ), parked as materialized (
    select met.id from met cross join lateral (
      select from ${jobs} o where o.order_key = met.order_key and o.state in (1, 2, 3) and o.id <> met.id
        and (o.state = 2 or o.seq < met.seq)
      order by o.seq limit 1 for share skip locked
    ) before
  )
  update ${jobs} set due = false, parked = true, fence = fence + 1 where id = any(array(select id from parked))
  returning id`,
);

/**
 * Lets the next job of each order key be taken: the one that was submitted first of those that wait. To be run after every
 * statement that finishes, deletes or puts back a job with such a key, as one of its own in the same transaction: only then
 * does it see what was submitted meanwhile. Answers those that are due now, to be offered once that is committed.
 */
export const wakeNextOfKey = statement<{ orderKeys: readonly string[] }, JobRow>(
  (p) => sql`with woken as (
    update ${jobs} set parked = false, due = run_at <= statement_timestamp()
    where state in (1, 3) and id = any(array(
      select (select id from ${jobs} where order_key = k and state in (1, 3) order by seq limit 1)
      from unnest(${p.orderKeys}::text[]) as k))
    returning ${JOB_COLUMNS}
  )
  select * from woken where due`,
);

/** A job that is due now, or the key of one that somebody has in hand: of that nothing else is known. */
export type WokenJob = DueJob & { readonly heldKey: string | null };

/**
 * The same, for those who must not wait: a job that somebody has in hand is left as it is, and its key answered. Whoever is
 * answered a key commits nothing before he has tried again and been answered none.
 */
export const wakeFreeNextOfKey = statement<{ orderKeys: readonly string[] }, WokenJob>(
  (p) => sql`with next as materialized (
    select k, (select id from ${jobs} where order_key = k and state in (1, 3) order by seq limit 1) as id
    from unnest(${p.orderKeys}::text[]) as k
  ), free as materialized (
    select id from ${jobs} where id = any(array(select id from next)) and state in (1, 3) for update skip locked
  ), woken as (
    update ${jobs} set parked = false, due = run_at <= statement_timestamp()
    where id = any(array(select id from free))
    returning id, queue, fence, due
  )
  select id, queue, fence, null as held_key from woken where due
  union all
  select null, null, null, k from next where id is not null and id not in (select id from free)`,
);

/** What became of attempts, each at its place in the lists. Texts are JSON, numbers as text. */
export interface SettleInput {
  workerId: string;
  ids: readonly string[];
  fences: readonly string[];
  results: readonly (string | null)[];
  /** Null when the attempt succeeded. */
  errors: readonly (string | null)[];
  /** Milliseconds until the next attempt; null when there shall be none. */
  delays: readonly (string | null)[];
  /** Null when nothing new was said. */
  progress: readonly (string | null)[];
}

export interface SettledJob {
  id: string;
  state: number;
  due: boolean;
}

const ENDED = sql`(s.error is null or s.delay is null or attempts >= max_attempts)`;

/** Writes what became of attempts; those that are no longer the worker's are left out. */
export const settleJobs = plannedAnew<SettleInput, SettledJob>(
  (p, now) => sql`update ${jobs} j set
      state = case when s.error is null then 4 when ${ENDED} then 5 else 3 end,
      due = not ${ENDED} and s.delay <= 0,
      run_at = case when ${ENDED} then run_at else statement_timestamp() + s.delay * interval '1 ms' end,
      result = s.result, last_error = coalesce(s.error, last_error), progress = coalesce(s.progress, j.progress),
      ${finishedWhere(ENDED)}
    from (
      select id, fence::int, result::jsonb, error, delay::float8, progress::jsonb
      from unnest(${p.ids}::uuid[], ${p.fences}::text[], ${p.results}::text[], ${p.errors}::text[], ${p.delays}::text[],
        ${p.progress}::text[]) as s (id, fence, result, error, delay, progress)
    ) s
    where j.id = s.id and j.fence = s.fence and j.worker_id = ${p.workerId}::uuid and j.state = 2 and ${now}
    returning j.id, j.state, j.due`,
);

/** Gives the transaction of a job so many milliseconds, as text, for a statement, and between two. */
export const limitTransaction = statement<{ ms: string }, never>(
  (p) => sql`select set_config('statement_timeout', ${p.ms}::text, true),
    set_config('idle_in_transaction_session_timeout', ${p.ms}::text, true)`,
);

/** Keeps the transaction of a job from being ended since nothing happens in it. */
export const touchTransaction = statement<object, never>(() => sql`select`);

/**
 * Completes a job; nothing when it is no longer the worker's. Its row is locked then, so that nobody could rescue it: a worker
 * that is cut off before its commit loses the transaction soon, however long the job may take.
 */
export const completeJob = plannedAnew<Holding & { result: string | null }, { id: string }>(
  (p, now) => sql`update ${jobs} set state = 4, result = ${p.result}::text::jsonb, ${FINISHED}
    where id = ${p.id}::uuid and fence = ${p.fence}::int and worker_id = ${p.workerId}::uuid and state = 2 and ${now}
    returning id, set_config('idle_in_transaction_session_timeout', '10s', true) as idle`,
);

/** How a job stands that a worker took: nothing when somebody else has taken it since. */
export const findHeld = statement<Holding, { state: number }>(
  (p) => sql`select state from ${jobs}
    where id = ${p.id}::uuid and fence = ${p.fence}::int and worker_id = ${p.workerId}::uuid`,
);

/** Writes how far jobs are, as JSON; also of those that have just succeeded. */
export const writeProgress = statement<
  { workerId: string; ids: readonly string[]; fences: readonly string[]; progress: readonly string[] },
  never
>(
  (p) => sql`update ${jobs} j set progress = s.progress::jsonb
    from unnest(${p.ids}::uuid[], ${p.fences}::text[], ${p.progress}::text[]) as s (id, fence, progress)
    where j.id = s.id and j.fence = s.fence::int and j.worker_id = ${p.workerId}::uuid and j.state in (2, 4)`,
);

/** Says that a worker is there for so many more milliseconds; answers whether its lease had held until now. */
export const renewLease = statement<{ workerId: string; leaseMs: number }, { held: boolean }>(
  (p) => sql`with before as (select lease_until from ${jobWorkers} where id = ${p.workerId}::uuid)
    insert into ${jobWorkers} (id, lease_until)
    values (${p.workerId}::uuid, statement_timestamp() + ${p.leaseMs}::int * interval '1 ms')
    on conflict (id) do update set lease_until = excluded.lease_until
    returning coalesce((select lease_until > statement_timestamp() from before), false) as held`,
);

/** The jobs that a worker has, as the database knows it. */
export const findRunning = statement<{ workerId: string }, { id: string; fence: number }>(
  (p) => sql`select id, fence from ${jobs} where worker_id = ${p.workerId}::uuid and state = 2`,
);

export const deleteWorker = statement<{ workerId: string }, never>(
  (p) => sql`delete from ${jobWorkers} where id = ${p.workerId}::uuid`,
);

export interface RescuedJob extends DueJob {
  orderKey: string | null;
  due: boolean;
}

/**
 * Takes jobs back from workers that have no lease: to be tried again at once, or dead when that was their last attempt. Those of
 * some order keys are left.
 */
export const rescueJobs = statement<{ error: string; except: readonly string[] }, RescuedJob>(
  (
    p,
  ) => sql`update ${jobs} set state = case when attempts >= max_attempts then 5 else 3 end, due = attempts < max_attempts,
      last_error = ${p.error}::text, ${finishedWhere(sql`(attempts >= max_attempts)`)}
    where id = any(array(
      select id from ${jobs} j where state = 2 and not exists (
        select from ${jobWorkers} w where w.id = j.worker_id and w.lease_until > statement_timestamp())
        and coalesce(order_key <> all(${p.except}::text[]), true)
      order by id limit ${sql.raw(String(BATCH))} for update skip locked))
    returning id, queue, fence, order_key, due`,
);

/** Forgets workers whose leases ended long ago and that have no jobs. */
export const pruneWorkers = statement<object, never>(
  () => sql`delete from ${jobWorkers} w where lease_until < statement_timestamp() - interval '1 h'
    and not exists (select from ${jobs} j where j.worker_id = w.id and j.state = 2)`,
);

/** Gives back jobs that a worker has, as if it had never taken them, but for those of some order keys. */
export const releaseJobs = statement<
  { workerId: string; ids: readonly string[]; fences: readonly string[]; except: readonly string[] },
  RescuedJob
>(
  (p) => sql`update ${jobs} j set state = case when attempts > 1 then 3 else 1 end, due = true, attempts = attempts - 1
    from unnest(${p.ids}::uuid[], ${p.fences}::text[]) as s (id, fence)
    where j.id = s.id and j.fence = s.fence::int and j.worker_id = ${p.workerId}::uuid and j.state = 2
      and coalesce(j.order_key <> all(${p.except}::text[]), true)
    returning j.id, j.queue, j.fence, j.order_key, j.due`,
);

/** Makes jobs due whose time has come, the longest due first. */
export const promoteJobs = statement<object, DueJob>(
  () => sql`update ${jobs} set due = true where id = any(array(
      select id from ${jobs} where not due and not parked and state in (1, 3) and run_at <= statement_timestamp()
      order by run_at limit ${sql.raw(String(BATCH))} for update skip locked))
    returning id, queue, fence`,
);

/** Milliseconds until the next job that waits for its time is due; null when none does. */
export const nextDue = statement<object, { inMs: number | null }>(
  () => sql`select (extract(epoch from min(run_at) - statement_timestamp()) * 1000)::float8 as in_ms
    from ${jobs} where not due and not parked and state in (1, 3)`,
);

export const findQueues = statement<object, { name: string }>(() => sql`select name from ${jobQueues} order by name`);
