import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import type { Job } from "./service.js";
import type { CronRow } from "./store-crons.js";
import * as store from "./store-crons.js";
import { submitOnce } from "./submit.js";

/** Tells whoever keeps the clock, on every node, which cron is to be looked at anew. */
const CHANGED = "crons.changed";

/** All crons, by id. */
export function listCrons(ctx: Ctx): Promise<CronRow[]> {
  return store.listCrons(ctx, {});
}

/** Does now what a cron does by the clock. */
export async function runCron(ctx: Ctx, { id }: { id: string }): Promise<Job> {
  const cron = (await store.findCron(ctx, { id }))[0] ?? noCron();
  const { jobName: name, args } = cron;
  const job = { name, args, queue: cron.queue ?? undefined, cron: { id } };
  const [submitted] = await submitOnce(ctx, (inner) => inner.jobs.submit(inner, [job]));
  return submitted!.job;
}

export async function pauseCron(ctx: Ctx, { id }: { id: string }): Promise<CronRow> {
  const cron = (await store.pauseCron(ctx, { id }))[0] ?? noCron();
  ctx.bus.publish(CHANGED, { id });
  return cron;
}

export async function resumeCron(ctx: Ctx, { id }: { id: string }): Promise<CronRow> {
  const cron = (await store.resumeCron(ctx, { id }))[0] ?? noCron();
  ctx.bus.publish(CHANGED, { id });
  return cron;
}

function noCron(): never {
  throw new DomainError("CRON_NOT_FOUND", undefined, { field: "id" });
}
