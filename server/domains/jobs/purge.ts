import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import * as store from "./store.js";

/** Most jobs of a call: a statement is to take well under a second. */
const MOST = 10_000;

export interface PurgeJobsInput {
  /** A value of STATE. */
  state: number;
  /** Empty is any, as with the queue. */
  name: string;
  queue: string;
  finishedBefore: Date | undefined;
}

/** Deletes finished jobs, but those whose unique key still holds; answers how many. */
export async function purgeJobs(ctx: Ctx, input: PurgeJobsInput): Promise<number> {
  const purge = store.PURGES.get(input.state);
  if (purge === undefined) {
    throw new DomainError("INVALID_FIELD", "It is not the state of finished jobs.", { field: "state" });
  }
  const { finishedBefore } = input;
  const [name, queue] = [input.name || undefined, input.queue || undefined];
  return (await purge(ctx, { name, queue, finishedBefore, limit: MOST })).length;
}
