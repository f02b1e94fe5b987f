import type { EraseCtx, JobCtx } from "../../context.js";
import { FinalError } from "../../kernel/final-error.js";
import { parseId } from "../../kernel/ids.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { OWN_QUEUE } from "../../kernel/tidying.js";
import { retried } from "../../platform/db/index.js";
import { readAccount } from "../accounts/index.js";
import { countersOfAllMoved } from "../counters/index.js";
import { eraseBatch } from "./store-erase.js";

const NAME = "backstay.connections.erase";

/**
 * Erases the connections of an account that had too many for the transaction that deleted it. Each batch is a transaction with the
 * counters it moves, so that the job can be done any number of times; it is tried until it succeeds, for a month.
 */
export const eraseJob = {
  name: NAME,
  queue: OWN_QUEUE,
  maxAttempts: 4_500,
  timeoutMs: undefined,
  concurrency: undefined,
  backoffMs: (attempt: number) => Math.min(1_000 * 2 ** Math.min(attempt, 20), 600_000),
  check: async (args: JsonObject) => {
    const isId = typeof args.accountId === "string" && parseId(args.accountId) === args.accountId;
    return isId ? { args } : { issues: [{ path: "accountId", message: "must be the id of a deleted account" }] };
  },
  run: (args: JsonObject, ctx: JobCtx) => eraseRest(ctx, args.accountId as string),
};

/** Has the connections of an account erased that are left when the caller's transaction commits. */
export async function submitErase(ctx: EraseCtx, accountId: string): Promise<void> {
  await ctx.jobs.submit(ctx, [{ name: NAME, args: { accountId } }]);
}

async function eraseRest({ database: db, caches, heartbeat }: JobCtx, accountId: string): Promise<void> {
  if ((await readAccount({ db }, accountId)) !== undefined) throw new FinalError("the account is there");
  for (;;) {
    const rows = await retried(() => eraseBatch({ db }, { accountId }));
    if (rows.length === 0) return;
    const others = rows.map(({ otherId }) => otherId);
    countersOfAllMoved({ caches, afterCommit: (effect) => effect() }, others);
    await heartbeat();
  }
}
