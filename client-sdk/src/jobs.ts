import type { Call } from "./call.js";
import { type Job, JobService } from "./gen/backstay/jobs/v1/jobs_pb.js";
import { createServiceClient, type ServiceClient } from "./service-client.js";
import { type WatchOptions, type WatchParts, watchJob } from "./watch-job.js";

/** Background work and what is done by the clock. */
export interface JobsClient extends ServiceClient<typeof JobService> {
  /**
   * Watches a job, by its id or a request: as it is now, and again within a second or so of each change. The iteration ends after
   * the job as it was finished; until then it goes on over drops and server restarts. It throws a {@link BackstayError} when there
   * is no point in going on, such as `JOB_NOT_FOUND`.
   *
   * ```ts
   * for await (const { state, progress } of client.jobs.watchJob(id)) show(state, progress);
   * ```
   */
  watchJob(job: string | { id: string }, options?: WatchOptions): AsyncIterable<Job>;
}

/** Makes `client.jobs`. */
export function createJobsClient(parts: WatchParts & { call: Call }): JobsClient {
  return {
    ...createServiceClient(JobService, parts.call),
    watchJob: (job, options = {}) => watchJob(parts, typeof job === "string" ? job : job.id, options),
  };
}
