import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import { pruneAll } from "../../platform/db/index.js";
import { forgetCrons, pruneJobs } from "./store-retention.js";

/** Forgets finished jobs that were kept long enough, and crons that no node declares any more. */
export const jobRetention = [
  tidying<JobCtx>("backstay.jobs.prune", "45 */5 * * * *", async (ctx) => {
    const { retention, deadRetention } = ctx.settings.jobs;
    await pruneAll(() => pruneJobs({ db: ctx.database }, { retention, deadRetention }), ctx.signal);
  }),
  tidying<JobCtx>("backstay.crons.prune", "55 */5 * * * *", async (ctx) => {
    await forgetCrons({ db: ctx.database }, {});
  }),
];
