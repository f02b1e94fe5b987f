import { isDeepStrictEqual } from "node:util";
import type { Ctx } from "../../context.js";
import { isOver, type Loss } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { lossesOf, onRevoked } from "../auth/index.js";
import { getJob, type Job } from "./service.js";

/** Between two looks, in milliseconds. */
const LOOK_MS = 500;

/**
 * A job as it is, and again whenever it has changed, until it is finished, the call ends the server stops or the caller loses a role. Throws
 * JOB_NOT_FOUND, also when it is deleted meanwhile; TOKEN_REVOKED and TOKEN_EXPIRED when the caller's sign-in is over.
 */
export async function* watchJob(ctx: Ctx, input: { id: string }): AsyncGenerator<Job> {
  let lost: Loss | undefined;
  const forget = onRevoked(ctx, ctx.caller, (loss) => {
    lost = loss;
  });
  try {
    // Whoever was signed out between his admission and here is told nothing either.
    lost ??= (await lossesOf([ctx])).get(ctx);
    let last: Job | undefined;
    while (!ctx.signal.aborted && !(ctx.draining.aborted && last !== undefined)) {
      if (lost === "sign-in") throw new DomainError("TOKEN_REVOKED");
      // He may come again with what he may do then.
      if (lost === "role") return;
      if (isOver(ctx.caller, ctx.clock.now())) throw new DomainError("TOKEN_EXPIRED");
      const job = await getJob(ctx, input);
      if (last === undefined || hasChanged(last, job)) yield job;
      if (job.finishedAt !== null) return;
      last = job;
      await pause(ctx.signal);
    }
  } finally {
    forget();
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
