import { DomainError } from "../../kernel/errors.js";
import type { Ids } from "../../kernel/ids.js";
import type { CronDeclaration, DeclaredJobs, JobDeclaration } from "../../kernel/jobs.js";
import type { Bus } from "../bus/bus.js";
import { ConflictError, type Db } from "../db/db.js";
import { describeError, type Log } from "../log.js";
import type { DueJob } from "../queue/queue.js";
import * as submitStore from "../queue/store-submit.js";
import { checkCron } from "./expression.js";
import { type Plan, planTicks } from "./plan.js";
import * as store from "./store.js";

/** Where it is told that somebody paused or resumed a cron. */
export const CRONS_CHANGED = "crons.changed";

/** Milliseconds between two looks at the crons when nothing is to be done: who pauses or resumes one may not be heard. */
const LOOK_EVERY = 5_000;
/** When crons are looked at again that somebody else has moved or holds just now. */
const AGAIN = 100;
/** When the database is asked again after it failed. */
const RETRY_AFTER = 500;
/** How often a node says that its crons are still declared. */
const SEEN_EVERY = 60_000;

export interface CronParts {
  /** Its statements commit by themselves. */
  database: Db;
  declared: DeclaredJobs;
  ids: Ids;
  bus: Bus;
  log: Log;
  offer(due: readonly DueJob[]): void;
}

/** What does things by the clock on this node. */
export interface CronScheduler {
  /** Throws one clear line when a declared cron cannot be. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Submits the jobs of crons at their times. Any number of nodes may do so for the same crons: one statement moves a cron on to
 * its next time and submits its job, so that whoever moves it is the only one who submits, and who dies has done both or
 * nothing. What time it is the database says, and a timer runs for what is left: the clock of this machine may be wrong, or be
 * set while it runs.
 */
export function cronScheduler({ database, declared, ids, bus, log, offer }: CronParts): CronScheduler {
  const at = { db: database };
  const crons = new Map<string, CronDeclaration>();
  let stopped = true;
  let leave = () => {};
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> | undefined;
  /** Whether somebody said meanwhile that there is something to look at. */
  let woken = false;
  let seenAt = 0;

  const look = async (): Promise<number> => {
    const rows = await store.readCrons(at, { ids: [...crons.keys()] });
    const readAt = performance.now();
    const now = rows[0]?.now;
    if (rows.length < crons.size) await declareAnew(rows);
    if (now === undefined) return AGAIN;
    const due: Due[] = [];
    let nextAt = now.getTime() + LOOK_EVERY;
    for (const row of rows) {
      if (row.paused || declared.find(row.jobName) === undefined) continue;
      const plan = planOf(row, now);
      if (plan !== undefined) due.push({ row, plan });
      const next = (plan?.following ?? row.nextAt)?.getTime() ?? nextAt;
      if (next > now.getTime()) nextAt = Math.min(nextAt, next);
    }
    const isDone = await move(now, due);
    await tellSeen();
    return isDone ? nextAt - now.getTime() - (performance.now() - readAt) : AGAIN;
  };

  const tellSeen = async () => {
    if (performance.now() < seenAt) return;
    await store.tellSeen(at, { ids: [...crons.keys()] });
    seenAt = performance.now() + SEEN_EVERY;
  };

  /** Undefined also when it cannot be read: another version of the server has declared it. */
  const planOf = (row: store.CronRow, now: Date): Plan | undefined => {
    try {
      return planTicks(row, row.nextAt, now);
    } catch (error) {
      log.error({ cron: row.id, ...describeError(error) }, "a cron's times cannot be told");
      return undefined;
    }
  };

  /** Answers whether it was this node that moved them all. */
  const move = async (now: Date, due: readonly Due[]): Promise<boolean> => {
    if (due.length === 0) return true;
    const jobs = due.flatMap(({ row, plan }) => jobsOf(row, plan));
    const moves = due.map(({ row, plan }): store.CronMove => {
      const last = jobs.findLast(({ cron_id }) => cron_id === row.id);
      return {
        id: row.id,
        expression: row.expression,
        time_zone: row.timeZone,
        job_name: row.jobName,
        from_tick: row.nextAt?.toISOString() ?? null,
        following: plan.following.toISOString(),
        last_tick: last?.tick,
        last_job_id: last?.id,
      };
    });
    const moved = await store.moveCrons(at, { at: now.toISOString(), moves, jobs });
    offer(moved.flatMap(({ id, queue }) => (id === null || queue === null ? [] : [{ id, queue, fence: 0 }])));
    const mine = new Set(moved.map(({ cronId }) => cronId));
    for (const { row, plan } of due) {
      if (!plan.missed || !mine.has(row.id)) continue;
      const facts = { cron: row.id, since: row.nextAt, missed: row.missed };
      // What the server itself had to do then it does at the next time: that is no news after every stop.
      const isPlanned = row.missed === "skip" && declared.find(row.jobName)?.inside === true;
      log[isPlanned ? "debug" : "warn"](facts, "a cron's time passed while nobody was there to see to it");
    }
    return mine.size === due.length;
  };

  const jobsOf = (row: store.CronRow, { ticks }: Plan): store.CronJob[] => {
    const { queue, maxAttempts, timeoutMs } = declared.find(row.jobName)!;
    return ticks.map((tick) => ({
      id: ids.next(),
      cron_id: row.id,
      tick: tick.toISOString(),
      queue,
      max_attempts: maxAttempts,
      timeout_ms: timeoutMs,
    }));
  };

  /** Somebody has removed them who did not know that they are declared here. */
  const declareAnew = (rows: readonly store.CronRow[]) => {
    const found = new Set(rows.map(({ id }) => id));
    return declare([...crons.values()].filter(({ id }) => !found.has(id)));
  };

  const declare = (crons: readonly CronDeclaration[]) =>
    store.declareCrons(at, {
      rows: crons.map(({ id, expression, timeZone, job, args, queue, missed }) => ({
        id,
        expression,
        time_zone: timeZone,
        job_name: job,
        args,
        queue,
        missed,
      })),
    });

  const run = () => {
    clearTimeout(timer);
    woken = true;
    turn ??= (async () => {
      woken = false;
      const ms = await look().catch((error) => {
        complain(error);
        return RETRY_AFTER;
      });
      turn = undefined;
      if (!stopped) timer = setTimeout(run, woken ? 0 : Math.max(0, ms)).unref();
    })();
  };

  const complain = (error: unknown) => {
    // A database that is away, and rows that were fought over, are nothing to look into.
    if (error instanceof DomainError || error instanceof ConflictError) return;
    log.error(describeError(error), "crons could not be looked at; it is tried again");
  };

  return {
    async start() {
      for (const cron of declared.crons()) crons.set(cron.id, cron);
      const queues = new Set<string>();
      for (const cron of crons.values()) {
        const job = await checked(cron, declared);
        queues.add(cron.queue ?? job.queue);
      }
      if (crons.size === 0) return;
      // What is submitted to a queue that is not known waits unseen.
      await submitStore.ensureQueues(at, { names: [...queues] });
      await declare([...crons.values()]);
      seenAt = performance.now() + SEEN_EVERY;
      stopped = false;
      leave = bus.subscribe(CRONS_CHANGED, run);
      run();
    },
    async stop() {
      stopped = true;
      leave();
      clearTimeout(timer);
      await turn;
    },
  };
}

/** A cron whose time has come. */
interface Due {
  readonly row: store.CronRow;
  readonly plan: Plan;
}

/** The job of a cron. Throws one line that names the cron. */
async function checked({ id, expression, timeZone, job, args }: CronDeclaration, declared: DeclaredJobs) {
  const refuse = (why: string): never => {
    throw new Error(`cron ${id}: ${why}`);
  };
  try {
    checkCron(expression, timeZone);
  } catch (error) {
    refuse((error as Error).message);
  }
  const declaration: JobDeclaration = declared.find(job) ?? refuse(`there is no job ${job}`);
  const result = await declaration.check(args);
  if ("issues" in result) {
    const [issue] = result.issues;
    refuse(`the job ${job} does not take its arguments: ${issue?.path ? `${issue.path}: ` : ""}${issue?.message}`);
  }
  return declaration;
}
