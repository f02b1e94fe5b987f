import { type SQL, sql } from "drizzle-orm";
import type { Ctx } from "../../context.js";
import { runSql } from "../../platform/db/index.js";
import { JOB_COLUMNS, type JobRow, jobs, STATE } from "../../platform/queue/index.js";

/** Which jobs; what is empty chooses all. */
export interface JobsWanted {
  /** Values of STATE. */
  states: readonly number[];
  name: string;
  queue: string;
  orderKey: string;
  uniqueKey: string;
  cronId: string;
  descending: boolean;
  /** The id of the last job of the page before. */
  after: string | undefined;
  limit: number;
}

/**
 * One of the three is true of every job that waits. Said besides the state, it has the few that wait found by the indexes of
 * those that are due, wait for their time, and have an order key: finished jobs are many, and stand in none of them.
 */
const WAITS = sql.raw(
  "(due or (not due and not parked and state in (1, 3)) or (order_key is not null and state in (1, 2, 3)))",
);

/** A page of jobs by their ids, which sort by the time of their submission. */
export function listJobs(ctx: Pick<Ctx, "db">, wanted: JobsWanted): Promise<JobRow[]> {
  const { name, queue, orderKey, uniqueKey, cronId, descending, after } = wanted;
  const conditions = [
    ...(wanted.states.length === 0 ? [] : [sql`(${sql.join(wanted.states.map(inState), sql` or `)})`]),
    ...(name === "" ? [] : [sql`name = ${name}`]),
    ...(queue === "" ? [] : [sql`queue = ${queue}`]),
    ...(orderKey === "" ? [] : [sql`order_key = ${orderKey}`]),
    ...(uniqueKey === "" ? [] : [sql`unique_key = ${uniqueKey}`]),
    ...(cronId === "" ? [] : [sql`cron_id = ${cronId}`]),
    ...(after === undefined ? [] : [sql`id ${descending ? sql`<` : sql`>`} ${after}::uuid`]),
  ];
  return runSql<JobRow>(
    ctx,
    sql`select ${JOB_COLUMNS} from ${jobs}
      where ${conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `)}
      order by id ${descending ? sql`desc` : sql`asc`} limit ${wanted.limit}::int`,
  );
}

/** With the number as part of the text: an index of some states serves only what names them. */
function inState(state: number): SQL {
  const isState = sql.raw(`state = ${Number(state)}`);
  return state === STATE.queued || state === STATE.retrying ? sql`(${isState} and ${WAITS})` : isState;
}
