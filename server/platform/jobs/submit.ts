import { DomainError, type FieldViolation } from "../../kernel/errors.js";
import type { Ids } from "../../kernel/ids.js";
import type { DeclaredJobs, NewJob } from "../../kernel/jobs.js";
import { checkDepth, checkText } from "../../kernel/json-text.js";
import type { Db } from "../db/db.js";
import { retried } from "../db/retry.js";
import type { DueJob } from "../queue/queue.js";
import type { JobRow } from "../queue/rows.js";
import * as store from "../queue/store-submit.js";

/** Most bytes of a job's arguments, as JSON. */
const MOST_BYTES = 256 * 1024;
/** So often a key is tried to be had that is given up just then, before that is called a conflict. */
const TRIES = 3;

export interface SubmitParts {
  /** For what must not wait for the caller's transaction. */
  database: Db;
  /** Queues that were made known already. */
  known?: readonly string[];
  declared: DeclaredJobs;
  ids: Ids;
  offer(due: readonly DueJob[]): void;
}

interface SubmitCtx {
  readonly db: Db;
  afterCommit(effect: () => void): void;
}

/** What became of a job that was to be submitted. */
export interface Submitted {
  job: JobRow;
  /** Whether it was submitted now; else the job is the one that has its unique key. */
  created: boolean;
}

/** See `Jobs.submit`. */
export type Submit = (ctx: SubmitCtx, jobs: readonly NewJob[]) => Promise<Submitted[]>;

/**
 * Makes the queues known that the server's own jobs go to, and answers them. Whoever submits there in a transaction may hold what all
 * others of the pool wait for: he must not need another connection.
 */
export async function knowOwnQueues(ctx: { readonly db: Db }, declared: DeclaredJobs): Promise<string[]> {
  const own = declared.all().filter(({ inside }) => inside);
  const names = [...new Set(own.map(({ queue }) => queue))].sort();
  await retried(() => store.ensureQueues(ctx, { names }));
  return names;
}

/** Submits jobs in the caller's transaction. */
export function createSubmit({ database, known: before = [], declared, ids, offer }: SubmitParts): Submit {
  const known = new Set(before);

  // Outside of the caller's transaction: were that rolled back, a queue that is remembered here would be unknown to the workers; and
  // while it lasts, which for a job may be long, nobody else could submit to the queue.
  const ensureQueues = async (names: readonly string[]) => {
    const fresh = [...new Set(names)].filter((name) => !known.has(name)).sort();
    if (fresh.length === 0) return;
    await retried(() => store.ensureQueues({ db: database }, { names: fresh }));
    for (const name of fresh) known.add(name);
  };

  return async (ctx, jobs) => {
    const rows: store.JobInsert[] = [];
    for (const [n, job] of jobs.entries()) {
      const row = await toInsert(declared, job, jobs.length > 1 ? `jobs[${n}].` : "");
      rows.push({ ...row, id: ids.next() });
    }
    await ensureQueues(rows.map(({ queue }) => queue));
    const inserted = new Map((await store.insertJobs(ctx, { rows })).map((job) => [job.id, job]));
    const submitted: Submitted[] = [];
    for (const [n, row] of rows.entries()) {
      const job = inserted.get(row.id);
      const field = `${jobs.length > 1 ? `jobs[${n}].` : ""}uniqueKey`;
      submitted.push(job ? { job, created: true } : await settle(ctx, jobs[n]!, row, field));
    }
    const due = submitted.map(({ job }) => job).filter((job) => job.due);
    if (due.length > 0) ctx.afterCommit(() => offer(due));
    return submitted;
  };
}

/** What becomes of a job whose unique key, or tick, another one has. */
async function settle(ctx: SubmitCtx, job: NewJob, row: store.JobInsert, field: string): Promise<Submitted> {
  for (let tries = 0; tries < TRIES; tries++) {
    const [holder] = await holderOf(ctx, row);
    if (holder?.held) {
      // What one job takes was not checked to be what another does.
      const isOther = job.onConflict === "replace" && holder.name !== row.name;
      if (job.onConflict === "fail" || isOther) throw new DomainError("JOB_EXISTS", undefined, { field });
      const replaced =
        job.onConflict === "replace"
          ? await store.replaceJob(ctx, { id: holder.id, args: row.args, runAt: job.runAt, delay: job.delayMs })
          : [];
      return { job: replaced[0] ?? holder, created: false };
    }
    if (row.unique_key !== undefined) await store.releaseKey(ctx, { uniqueKey: row.unique_key });
    const [inserted] = await store.insertJobs(ctx, { rows: [row] });
    if (inserted !== undefined) return { job: inserted, created: true };
  }
  throw new DomainError("CONFLICT");
}

async function holderOf(ctx: SubmitCtx, row: store.JobInsert): Promise<(JobRow & { held: boolean })[]> {
  if (row.cron_id !== undefined && row.cron_tick !== undefined) {
    const found = await store.findByTick(ctx, { cronId: row.cron_id, tick: row.cron_tick });
    if (found.length > 0) return found.map((job) => ({ ...job, held: true }));
  }
  return row.unique_key === undefined ? [] : store.findHolder(ctx, { uniqueKey: row.unique_key });
}

async function toInsert(declared: DeclaredJobs, job: NewJob, at: string): Promise<Omit<store.JobInsert, "id">> {
  const declaration = declared.find(job.name);
  if (declaration === undefined) throw new DomainError("UNKNOWN_JOB", undefined, { field: `${at}name` });
  const args = job.args ?? {};
  checkSize(args, `${at}args`);
  const checked = await declaration.check(args);
  if ("issues" in checked) {
    const fields: FieldViolation[] = checked.issues.map(({ path, message }) => ({
      field: path === "" ? `${at}args` : `${at}args.${path}`,
      description: message,
    }));
    throw new DomainError("INVALID_ARGS", undefined, { fields });
  }
  return {
    name: job.name,
    queue: job.queue ?? declaration.queue,
    // As they were given: the function gets them checked anew, by the code that runs it.
    args,
    run_at: job.runAt?.toISOString(),
    delay: job.delayMs,
    priority: job.priority ?? 0,
    max_attempts: job.maxAttempts ?? declaration.maxAttempts,
    timeout_ms: job.timeoutMs ?? declaration.timeoutMs,
    unique_key: job.uniqueKey,
    unique_for: job.uniqueForMs,
    order_key: job.orderKey,
    cron_id: job.cron?.id,
    cron_tick: job.cron?.tick?.toISOString(),
  };
}

function checkSize(args: object, field: string): void {
  const text = JSON.stringify(args);
  if (Buffer.byteLength(text) > MOST_BYTES) throw new DomainError("JOB_TOO_LARGE", undefined, { field });
  checkText(text, field);
  checkDepth(text, field);
}
