import { type SQL, sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { crons, jobs, STATE } from "../../platform/queue/index.js";

const LIMIT = sql.raw(String(PRUNE_BATCH));
const DEAD = sql.raw(String(STATE.dead));

/** The moment so many milliseconds ago, by the clock that wrote when a job was finished. */
function ago(ms: SQL): SQL {
  return sql`(statement_timestamp() - ${ms} * interval '1 millisecond')`;
}

/** Forgets a batch of jobs that are finished for long enough, the oldest first. One whose unique key still holds stays for it. */
export const pruneJobs = statement<{ retention: number; deadRetention: number }, { pruned: bigint }>((p) => {
  const [kept, keptDead] = [sql`${p.retention}::float8`, sql`${p.deadRetention}::float8`];
  return sql`with old as (
      select id from ${jobs} where finished_at < ${ago(sql`least(${kept}, ${keptDead})`)}
        and finished_at < ${ago(sql`case when state = ${DEAD} then ${keptDead} else ${kept} end`)}
        and not (holds_key and coalesce(unique_until > statement_timestamp(), false))
      order by finished_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${jobs} where id in (select id from old) returning 1)
    select count(*) as pruned from gone`;
});

/**
 * Forgets crons that no node has said for a day to have declared. While no node says so of any, none is there that could: then
 * they all stay, for the times that pass, and for being paused.
 */
export const forgetCrons = statement<object, never>(
  () => sql`delete from ${crons} where seen_at < statement_timestamp() - interval '1 day'
    and exists (select 1 from ${crons} where seen_at > statement_timestamp() - interval '10 minutes')`,
);
