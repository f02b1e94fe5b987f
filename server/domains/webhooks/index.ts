import type { JobCtx } from "../../context.js";
import { tidying } from "../../kernel/tidying.js";
import { type DomainJob, holdsNothing, type Manifest } from "../../manifest.js";
import { deliver, toDelivery } from "./deliver.js";
import { DELIVER } from "./pump.js";
import { forgetUnseen } from "./store.js";

export { createWebhookPump } from "./pump.js";

const HOUR = 3_600_000;

const delivery: DomainJob = {
  name: DELIVER,
  // Of their own, so that they can be paused, or left to some nodes.
  queue: "webhooks",
  // More than two hours: 5 s, 10 s, 20 s and so on.
  maxAttempts: 12,
  backoffMs: (attempt) => Math.min(5_000 * 2 ** (attempt - 1), HOUR),
  timeoutMs: 30_000,
  // Receivers that are slow leave room for the server's other jobs.
  concurrency: 8,
  check: async (args) => {
    const issues = [{ path: "", message: "must be {webhook, event, offset}" }];
    return toDelivery(args) === undefined ? { issues } : { args };
  },
  run: (args, ctx) => deliver(ctx, toDelivery(args)!),
};

const pruning = tidying<JobCtx>("backstay.webhooks.prune", "50 */5 * * * *", async (ctx) => {
  await forgetUnseen({ db: ctx.database }, {});
});

export const webhooksDomain: Manifest = {
  name: "webhooks",
  services: [],
  jobs: [delivery, pruning],
  erase: holdsNothing,
  export: holdsNothing,
};
