import type { JobDeclaration, JsonObject } from "./jobs.js";

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
    // Apart from what the installation is there for, which may be long, or paused.
    queue: "backstay",
    maxAttempts: 3,
    timeoutMs: undefined,
    concurrency: 1,
    backoffMs: () => 30_000,
    check: async (args) => ({ args }),
    run: (_, ctx) => tidy(ctx),
  };
}
