import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import { pruneAll, pruneKeys } from "../../platform/db/index.js";

/** Forgets idempotency keys, which are kept for a day. */
export const pruneIdempotency = tidying<JobCtx>("backstay.idempotency.prune", "15 */5 * * * *", async (ctx) => {
  const at = ctx.clock.now();
  await pruneAll(() => pruneKeys({ db: ctx.database }, { at }), ctx.signal);
});
