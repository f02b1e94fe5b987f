import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import type { QueueRow } from "./store-queues.js";
import * as store from "./store-queues.js";

/** So many of a queue's jobs are offered when it is resumed; who has hands free then comes for the others by himself. */
const OFFERED = 100;

/** All queues, by name. */
export function listQueues(ctx: Ctx): Promise<QueueRow[]> {
  return store.listQueues(ctx, {});
}

export async function pauseQueue(ctx: Ctx, { name }: { name: string }): Promise<QueueRow> {
  await store.pauseQueue(ctx, { name });
  return findQueue(ctx, name);
}

export async function resumeQueue(ctx: Ctx, { name }: { name: string }): Promise<QueueRow> {
  const [resumed] = await store.resumeQueue(ctx, { name });
  if (resumed !== undefined) ctx.jobs.offer(await store.findDue(ctx, { name, limit: OFFERED }));
  return findQueue(ctx, name);
}

async function findQueue(ctx: Ctx, name: string): Promise<QueueRow> {
  const [queue] = await store.findQueue(ctx, { name });
  if (queue === undefined) throw new DomainError("QUEUE_NOT_FOUND", undefined, { field: "name" });
  return queue;
}
