import { parseId } from "./ids.js";
import type { JobDeclaration, JsonObject } from "./jobs.js";
import { OWN_QUEUE } from "./tidying.js";

const MOST_BACKOFF = 600_000;

/** A job that erases what is left of an account, as a domain gives it. */
export interface Erasing<Ctx> extends Omit<JobDeclaration, "inside" | "run"> {
  readonly run: (args: JsonObject, ctx: Ctx) => unknown;
}

/**
 * A job of the server's own for what the transaction that deletes an account cannot erase; its arguments have the account's id. It
 * must bear being done any number of times, and is tried until it succeeds, for a month.
 */
export function erasing<Ctx>(
  name: string,
  erase: (ctx: Ctx, accountId: string, args: JsonObject) => Promise<void>,
): Erasing<Ctx> {
  return {
    name,
    queue: OWN_QUEUE,
    maxAttempts: 4_500,
    timeoutMs: undefined,
    concurrency: undefined,
    backoffMs: (attempt) => Math.min(1_000 * 2 ** Math.min(attempt, 20), MOST_BACKOFF),
    check: async (args) => {
      const isId = typeof args.accountId === "string" && parseId(args.accountId) === args.accountId;
      return isId ? { args } : { issues: [{ path: "accountId", message: "must be the id of a deleted account" }] };
    },
    run: (args, ctx) => erase(ctx, args.accountId as string, args),
  };
}
