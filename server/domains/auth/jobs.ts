import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import { pruneAll } from "../../platform/db/index.js";
import { pruneGrants, pruneSignatures } from "./store.js";

/** Forgets tokens, and uses of signatures, that are past their end. */
export const pruneSignIns = tidying<JobCtx>("backstay.auth.prune", "25 */5 * * * *", async (ctx) => {
  const from = { db: ctx.database };
  const at = ctx.clock.now();
  await pruneAll(() => pruneGrants(from, { at }), ctx.signal);
  await pruneAll(() => pruneSignatures(from, { at }), ctx.signal);
});
