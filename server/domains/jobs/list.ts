import type { Ctx } from "../../context.js";
import { decodePageToken, encodePageToken } from "../../kernel/page-token.js";
import { readPage } from "../../platform/db/index.js";
import type { Job } from "./service.js";
import * as store from "./store-list.js";

const DEFAULT_PAGE = 50;

/** What is empty chooses all. */
export interface ListJobsInput {
  /** Values of STATE. */
  states: readonly number[];
  name: string;
  queue: string;
  orderKey: string;
  uniqueKey: string;
  cronId: string;
  descending: boolean;
  pageSize: number;
  pageToken: string;
}

export interface JobPage {
  jobs: Job[];
  nextPageToken: string;
}

/** Jobs in the order they were submitted, by the clocks of the nodes that took them, or the reverse. */
export async function listJobs(ctx: Ctx, input: ListJobsInput): Promise<JobPage> {
  const { name, queue, orderKey, uniqueKey, cronId, descending } = input;
  const states = [...new Set(input.states)].sort();
  const chosen = { name, queue, orderKey, uniqueKey, cronId };
  const query = { list: "jobs", ...chosen, states: states.join(), descending };
  const [after] = decodePageToken(ctx.key, query, input.pageToken) ?? [];
  const { rows, next } = await readPage<Job>(input.pageSize || DEFAULT_PAGE, [], (_, limit) =>
    store.listJobs(ctx, { ...chosen, states, descending, after: after as string | undefined, limit }),
  );
  return {
    jobs: rows,
    nextPageToken: next === undefined ? "" : encodePageToken(ctx.key, query, [next.id]),
  };
}
