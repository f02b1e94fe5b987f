import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { OnConflict, type SubmitJobRequest } from "#gen/backstay/jobs/v1/jobs_pb.js";
import type { NewJob } from "../../kernel/jobs.js";

const ON_CONFLICT = {
  [OnConflict.UNSPECIFIED]: "keep",
  [OnConflict.KEEP]: "keep",
  [OnConflict.REPLACE]: "replace",
  [OnConflict.FAIL]: "fail",
} as const;

/** The last millisecond that a timestamp can say. */
const LAST_TIME = Date.parse("9999-12-31T23:59:59.999Z");

/** A job as it was asked for: what is empty on the wire is absent. */
export function toNewJob(request: SubmitJobRequest): NewJob {
  return {
    name: request.name,
    args: request.args,
    queue: request.queue || undefined,
    // Rounded so that it is never done before, and that its key is never given up before.
    runAt: request.runAt && new Date(Math.min(milliseconds(request.runAt, Math.ceil), LAST_TIME)),
    uniqueKey: request.uniqueKey || undefined,
    uniqueForMs: request.uniqueFor && milliseconds(request.uniqueFor, Math.ceil),
    onConflict: ON_CONFLICT[request.onConflict],
    orderKey: request.orderKey || undefined,
    priority: request.priority,
    maxAttempts: request.maxAttempts || undefined,
    timeoutMs: request.timeout && milliseconds(request.timeout, Math.floor),
  };
}

function milliseconds({ seconds, nanos }: Timestamp | Duration, round: (value: number) => number): number {
  return Number(seconds) * 1_000 + round(nanos / 1e6);
}
