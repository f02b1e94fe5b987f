import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { ConstraintError } from "../../platform/db/index.js";
import { type JobRow, STATE, wakeNextOfKey } from "../../platform/queue/index.js";
import * as store from "./store.js";

/** A job as it stands in the database. */
export type Job = JobRow;

/** So often a change is made anew that met a worker at the jobs of its order key. */
const RETRY = 3;

export async function getJob(ctx: Ctx, input: { id: string }): Promise<Job> {
  const [job] = await store.findJob(ctx, { id: idOf(input) });
  return job ?? refuse("JOB_NOT_FOUND");
}

/** Has a job done again, or now. */
export async function retryJob(ctx: Ctx, input: { id: string }): Promise<Job> {
  const id = idOf(input);
  const retry = async (inner: Ctx) => {
    const job = await again(inner, await lockJob(inner, id));
    if (job.due) inner.afterCommit(() => ctx.jobs.offer([job]));
    return job;
  };
  return ctx.transaction(retry, { retry: RETRY }).catch((error) => {
    if (error instanceof ConstraintError && error.kind === "unique") return refuse("JOB_EXISTS");
    throw error;
  });
}

async function again(ctx: Ctx, job: Job): Promise<Job> {
  switch (job.state) {
    case STATE.running:
      return refuse("JOB_RUNNING");
    case STATE.succeeded:
      return refuse("JOB_SUCCEEDED");
    case STATE.dead:
    case STATE.cancelled:
      if (job.uniqueKey !== null) await store.releaseKey(ctx, { id: job.id, uniqueKey: job.uniqueKey });
      return (await store.requeueJob(ctx, job))[0]!;
    default:
      return (await store.hastenJob(ctx, job))[0]!;
  }
}

/** Ends a job that is not finished. */
export async function cancelJob(ctx: Ctx, input: { id: string }): Promise<Job> {
  const id = idOf(input);
  const cancel = async (inner: Ctx) => {
    const found = await lockJob(inner, id);
    if (found.state === STATE.cancelled) return found;
    if (found.finishedAt !== null) return refuse("JOB_FINISHED");
    const job = (await store.cancelJob(inner, found))[0]!;
    if (found.state === STATE.running) inner.afterCommit(() => ctx.jobs.cancelled([id]));
    if (job.orderKey === null) return job;
    const woken = await wakeNextOfKey(inner, { orderKeys: [job.orderKey] });
    inner.afterCommit(() => ctx.jobs.offer(woken));
    return job;
  };
  return ctx.transaction(cancel, { retry: RETRY });
}

async function lockJob(ctx: Ctx, id: string): Promise<Job> {
  const [job] = await store.lockJob(ctx, { id });
  return job ?? refuse("JOB_NOT_FOUND");
}

/** The id of a request in our spelling. */
function idOf({ id }: { id: string }): string {
  return parseId(id) ?? refuse("JOB_NOT_FOUND");
}

function refuse(reason: "JOB_NOT_FOUND" | "JOB_RUNNING" | "JOB_SUCCEEDED" | "JOB_FINISHED" | "JOB_EXISTS"): never {
  throw new DomainError(reason, undefined, { field: "id" });
}
