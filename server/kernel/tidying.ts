import type { JobDeclaration, JsonObject } from "./jobs.js";

/** The queue of what the server does for itself: apart from what the installation is there for, which may be long, or paused. */
export const OWN_QUEUE = "backstay";

/** A job that is done by the clock, as a domain gives it. */
export interface Tidying<Ctx> extends Omit<JobDeclaration, "inside" | "run"> {
  readonly run: (args: JsonObject, ctx: Ctx) => unknown;
  readonly cron: string;
}

/**
 * A job of the server's own that forgets what is past keeping, at the times of a cron expression. One that fails is tried again,
 * and matters little: the next does what it left.
 */
export function tidying<Ctx>(name: string, cron: string, tidy: (ctx: Ctx) => Promise<void>): Tidying<Ctx> {
  return {
    name,
    cron,
    queue: OWN_QUEUE,
    maxAttempts: 3,
    timeoutMs: undefined,
    concurrency: 1,
    backoffMs: () => 30_000,
    check: async (args) => ({ args }),
    run: (_, ctx) => tidy(ctx),
  };
}
