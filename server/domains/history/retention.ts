import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import { type Database, pruneAll } from "../../platform/db/index.js";
import { pruneByAge } from "./store-retention.js";
import { type SurplusPruner, surplusPruner } from "./surplus.js";

/** How far each database's history was looked through: with a new process that begins anew. */
const pruners = new WeakMap<Database, SurplusPruner>();

/** Forgets entries that are older than they are kept, and those of accounts that have too many. */
export const pruneHistory = tidying<JobCtx>("backstay.history.prune", "25 */5 * * * *", async (ctx) => {
  const { retention, perAccount } = ctx.settings.history;
  const [db, now] = [ctx.database, ctx.clock.now()];
  if (retention > 0) {
    const before = new Date(now.getTime() - retention);
    await pruneAll(() => pruneByAge({ db }, { before }), ctx.signal);
  }
  if (perAccount === 0) return;
  const prune = pruners.get(db) ?? surplusPruner();
  pruners.set(db, prune);
  await prune({ db, signal: ctx.signal }, { most: perAccount, now });
});
