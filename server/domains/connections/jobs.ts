import type { EraseCtx, JobCtx } from "../../context.js";
import { erasing } from "../../kernel/erasing.js";
import { FinalError } from "../../kernel/final-error.js";
import { parseId } from "../../kernel/ids.js";
import type { JsonObject } from "../../kernel/jobs.js";
import { retried } from "../../platform/db/index.js";
import { readAccount } from "../accounts/index.js";
import { countersOfAllMoved } from "../counters/index.js";
import { eraseFound, type Unheard } from "./erase-found.js";
import { findSome } from "./store-erase.js";

const NAME = "backstay.connections.erase";

/**
 * Erases the connections of an account that had too many for the transaction that deleted it. Each batch is a transaction with the
 * counters it moves, in one order, so that the job can be done any number of times, and beside others.
 */
export const eraseJob = erasing(NAME, eraseRest);

/** Has the connections of an account erased that are left when the caller's transaction commits. */
export async function submitErase(ctx: EraseCtx, accountId: string, unheard: Unheard): Promise<void> {
  const args = { accountId, unheard: unheard === "all" ? unheard : [...unheard] };
  await ctx.jobs.submit(ctx, [{ name: NAME, args, uniqueKey: `${NAME} ${accountId}` }]);
}

/** As it was submitted; somebody else who submits it says nothing of it. */
function unheardOf({ unheard = [] }: JsonObject): Unheard {
  return Array.isArray(unheard) ? unheard.map((id) => parseId(String(id))).filter((id) => id !== undefined) : "all";
}

async function eraseRest(ctx: JobCtx, accountId: string, args: JsonObject): Promise<void> {
  const unheard = unheardOf(args);
  const { database: db, caches, clock, ids, events, heartbeat } = ctx;
  if ((await readAccount({ db }, accountId)) !== undefined) throw new FinalError("the account is there");
  for (;;) {
    const found = await findSome({ db }, { accountId });
    if (found.length === 0) return;
    const others = await retried(() =>
      db.transaction((tx) => eraseFound({ db: tx, clock, ids }, accountId, found, unheard)),
    );
    countersOfAllMoved({ caches, afterCommit: (effect) => effect() }, others);
    events.wake();
    await heartbeat();
  }
}
