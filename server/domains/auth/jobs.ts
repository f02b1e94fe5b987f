import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import { pruneAll } from "../../platform/db/index.js";
import { pruneDevices, pruneGrants, pruneSignatures } from "./store.js";
import { pruneChallenges } from "./store-challenges.js";
import { pruneCodes } from "./store-codes.js";
import { pruneTries } from "./store-throttle.js";
import { forgottenAt } from "./throttle.js";

/** Forgets tokens, codes, what was begun with browsers, uses of signatures and counts of tries that are past their end. */
export const pruneSignIns = tidying<JobCtx>("backstay.auth.prune", "25 */5 * * * *", async (ctx) => {
  const from = { db: ctx.database };
  const at = ctx.clock.now();
  await pruneAll(() => pruneGrants(from, { at }), ctx.signal);
  await pruneAll(() => pruneDevices(from, { at }), ctx.signal);
  await pruneAll(() => pruneSignatures(from, { at }), ctx.signal);
  await pruneAll(() => pruneCodes(from, { at }), ctx.signal);
  await pruneAll(() => pruneChallenges(from, { at }), ctx.signal);
  await pruneAll(() => pruneTries(from, { forgottenAt: forgottenAt(at) }), ctx.signal);
});
