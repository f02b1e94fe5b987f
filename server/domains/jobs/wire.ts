import { create, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type Cron,
  CronSchema,
  type Job,
  JobSchema,
  type Queue,
  QueueSchema,
  type SubmitJobResponse,
  SubmitJobResponseSchema,
} from "#gen/backstay/jobs/v1/jobs_pb.js";
import type { Job as JobRow } from "./service.js";
import type { CronRow } from "./store-crons.js";
import type { QueueRow } from "./store-queues.js";

/** A job on the wire. */
export function toJob(job: JobRow): Job {
  return create(JobSchema, {
    id: job.id,
    name: job.name,
    queue: job.queue,
    args: job.args as JsonObject,
    state: job.state,
    attempts: job.attempts,
    maxAttempts: job.maxAttempts,
    priority: job.priority,
    runAt: timestampFromDate(job.runAt),
    uniqueKey: job.uniqueKey ?? "",
    orderKey: job.orderKey ?? "",
    timeout: job.timeoutMs === null ? undefined : durationFromMs(job.timeoutMs),
    progress: toValue(job.progress),
    result: toValue(job.result),
    lastError: job.lastError ?? "",
    createTime: timestampFromDate(job.createdAt),
    startTime: toTime(job.startedAt),
    finishTime: toTime(job.finishedAt),
    cronId: job.cronId ?? "",
  });
}

/** What became of a job that was to be submitted, on the wire. */
export function toSubmitted({ job, created }: { job: JobRow; created: boolean }): SubmitJobResponse {
  return create(SubmitJobResponseSchema, { job: toJob(job), created });
}

/** A queue on the wire. */
export function toQueue(queue: QueueRow): Queue {
  return create(QueueSchema, {
    name: queue.name,
    pauseTime: toTime(queue.pausedAt),
    due: queue.due,
    waiting: queue.waiting,
    running: queue.running,
    dead: queue.dead,
    oldest: queue.oldestMs === null ? undefined : durationFromMs(Math.max(0, queue.oldestMs)),
  });
}

/** A cron on the wire. */
export function toCron(cron: CronRow): Cron {
  return create(CronSchema, {
    id: cron.id,
    expression: cron.expression,
    timeZone: cron.timeZone,
    jobName: cron.jobName,
    args: cron.args as JsonObject,
    queue: cron.queue ?? "",
    missed: cron.missed,
    pauseTime: toTime(cron.pausedAt),
    nextTime: toTime(cron.nextAt),
    lastTime: toTime(cron.lastAt),
    lastJobId: cron.lastJobId ?? "",
  });
}

function toTime(at: Date | null) {
  return at === null ? undefined : timestampFromDate(at);
}

function toValue(json: unknown): Value | undefined {
  return json === null ? undefined : fromJson(ValueSchema, json as JsonValue);
}
