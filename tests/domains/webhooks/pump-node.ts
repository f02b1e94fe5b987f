import { createWebhookPump, webhooksDomain } from "../../../server/domains/webhooks/index.js";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { uuidV7Ids } from "../../../server/kernel/ids.js";
import { type DeclaredWebhooks, declaredWebhooks } from "../../../server/kernel/webhooks.js";
import { createSubmit } from "../../../server/platform/jobs/submit.js";
import type { Log } from "../../../server/platform/log.js";
import { startEventNode } from "../../contracts/event-nodes.js";

/** A node that does no more than take events to webhooks. */
export interface PumpNode {
  /** What it logged above the level `info`. */
  readonly warnings: string[];
  /** Says that something was written to the outbox. */
  wake(): void;
  stop(): Promise<void>;
}

/** Starts one over a migrated database. */
export async function startPumpNode(url: string, declare: (webhooks: DeclaredWebhooks) => void): Promise<PumpNode> {
  const { database, log: events, stop } = await startEventNode(url);
  const warnings: string[] = [];
  const warn = (facts: object, message: string) => warnings.push(JSON.stringify({ ...facts, message }));
  const log: Log = { debug() {}, info() {}, warn, error: warn, flush() {} };
  const declared = declaredJobs();
  for (const job of webhooksDomain.jobs!) declared.declare({ ...job, run: () => {}, inside: true });
  const submit = createSubmit({ database, declared, ids: uuidV7Ids(), offer() {} });
  const webhooks = declaredWebhooks();
  declare(webhooks);
  const jobs = { declared, submit, offer() {}, cancelled() {} };
  const pump = createWebhookPump({ database, events, jobs, webhooks, log });
  await pump.start();
  return {
    warnings,
    wake: () => events.wake(),
    async stop() {
      await pump.stop();
      await stop();
    },
  };
}
