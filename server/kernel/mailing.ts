import type { JobDeclaration } from "./jobs.js";
import { OWN_QUEUE } from "./tidying.js";

/** What a mail job says of itself; the rest is the same for all. */
export type Mailing<Ctx> = Pick<JobDeclaration, "name" | "check"> & Pick<JobDeclaration<Ctx>, "run">;

/**
 * A job of the server's own that sends a mail. A server that takes mails of strangers at their second try wants to see that some
 * minutes later, so it is tried again after 2 s, 6 s, 18 s, up to 5 minutes.
 */
export function mailing<Ctx>(job: Mailing<Ctx>) {
  return {
    ...job,
    queue: OWN_QUEUE,
    maxAttempts: 8,
    timeoutMs: 60_000,
    concurrency: undefined,
    backoffMs: (attempt: number) => Math.min(2_000 * 3 ** (attempt - 1), 300_000),
  };
}
