import { isDeepStrictEqual } from "node:util";
import type { Ctx } from "../../context.js";
import { getJob, type Job } from "./service.js";

/** Between two looks, in milliseconds. */
const LOOK_MS = 500;

/**
 * A job as it is, and again whenever it has changed, until it is finished, the call ends or the server stops. Throws
 * JOB_NOT_FOUND, also when it is deleted meanwhile.
 */
export async function* watchJob(ctx: Ctx, input: { id: string }): AsyncGenerator<Job> {
  let last: Job | undefined;
  while (!ctx.signal.aborted && !(ctx.draining.aborted && last !== undefined)) {
    const job = await getJob(ctx, input);
    if (last === undefined || hasChanged(last, job)) yield job;
    if (job.finishedAt !== null) return;
    last = job;
    await pause(ctx.signal);
  }
}

function hasChanged({ due: _, ...before }: Job, { due: __, ...now }: Job): boolean {
  return !isDeepStrictEqual(before, now);
}

/** Waits until the next look, or the end of the call. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, LOOK_MS);
    signal.addEventListener("abort", end);
  });
}
