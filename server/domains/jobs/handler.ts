import { JobService } from "#gen/backstay/jobs/v1/jobs_pb.js";
import { fromTimestamp } from "../../kernel/timestamp.js";
import { serve } from "../../manifest.js";
import { listCrons, pauseCron, resumeCron, runCron } from "./crons.js";
import { listJobs } from "./list.js";
import { purgeJobs } from "./purge.js";
import { listQueues, pauseQueue, resumeQueue } from "./queues.js";
import { cancelJob, getJob, retryJob } from "./service.js";
import { submitJob, submitJobs } from "./submit.js";
import { watchJob } from "./watch.js";
import { toCron, toJob, toQueue, toSubmitted } from "./wire.js";
import { toNewJob } from "./wire-request.js";

export const jobHandler = serve(JobService, {
  async submitJob(request, ctx) {
    return toSubmitted(await submitJob(ctx, toNewJob(request)));
  },

  async submitJobs(request, ctx) {
    return { jobs: (await submitJobs(ctx, request.jobs.map(toNewJob))).map(toSubmitted) };
  },

  async getJob(request, ctx) {
    return { job: toJob(await getJob(ctx, request)) };
  },

  async listJobs(request, ctx) {
    const page = await listJobs(ctx, request);
    return { jobs: page.jobs.map(toJob), nextPageToken: page.nextPageToken };
  },

  async retryJob(request, ctx) {
    return { job: toJob(await retryJob(ctx, request)) };
  },

  async cancelJob(request, ctx) {
    return { job: toJob(await cancelJob(ctx, request)) };
  },

  async purgeJobs(request, ctx) {
    const finishedBefore = request.finishedBefore && fromTimestamp(request.finishedBefore);
    return { purgedCount: await purgeJobs(ctx, { ...request, finishedBefore }) };
  },

  async *watchJob(request, ctx) {
    for await (const job of watchJob(ctx, request)) yield { job: toJob(job) };
  },

  async listQueues(_, ctx) {
    return { queues: (await listQueues(ctx)).map(toQueue) };
  },

  async pauseQueue(request, ctx) {
    return { queue: toQueue(await pauseQueue(ctx, request)) };
  },

  async resumeQueue(request, ctx) {
    return { queue: toQueue(await resumeQueue(ctx, request)) };
  },

  async listCrons(_, ctx) {
    return { crons: (await listCrons(ctx)).map(toCron) };
  },

  async runCron(request, ctx) {
    return { job: toJob(await runCron(ctx, request)) };
  },

  async pauseCron(request, ctx) {
    return { cron: toCron(await pauseCron(ctx, request)) };
  },

  async resumeCron(request, ctx) {
    return { cron: toCron(await resumeCron(ctx, request)) };
  },
});
