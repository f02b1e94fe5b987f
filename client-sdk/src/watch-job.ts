import { equals } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { Backoff } from "./backoff.js";
import { BackstayError, toBackstayError } from "./backstay-error.js";
import { delay, linkAbort, orAbort } from "./cancellation.js";
import { type Job, JobSchema, JobService, type WatchJobResponse } from "./gen/backstay/jobs/v1/jobs_pb.js";
import { createRecovery } from "./recovery.js";
import { requestHeaders } from "./request-headers.js";
import type { Session } from "./session.js";
import { heardWithin, only } from "./subscribe-stream.js";

// A job that waits says nothing, nor does a connection that is gone: after a while another is made, which begins with the job.
const SILENCE_MS = 40_000;

/** How to watch a job. */
export interface WatchOptions {
  /** Ends it and its connection at once; the iteration ends as if nothing more were to come. */
  signal?: AbortSignal | undefined;
  /** More request headers, by name. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** What a job is watched with. */
export interface WatchParts {
  transport: Transport;
  session: Session;
  reconnect: Backoff;
}

/** A job over as many connections as it takes: as it is, and again whenever it has changed, until it is finished. */
export async function* watchJob(parts: WatchParts, id: string, options: WatchOptions): AsyncGenerator<Job, undefined> {
  const stop = new AbortController();
  const unlink = linkAbort(options.signal, stop);
  const recovery = createRecovery({ ...parts, stop: stop.signal });
  let last: Job | undefined;
  try {
    for (;;) {
      let bearer: string | undefined;
      try {
        bearer = await orAbort(parts.session.bearer(), stop.signal);
        for await (const job of connection(parts.transport, id, requestHeaders(options.headers, bearer), stop.signal)) {
          recovery.heard(true);
          const isNew = last === undefined || !equals(JobSchema, last, job);
          last = job;
          if (isNew) yield job;
          if (job.finishTime) return undefined;
        }
        throw new BackstayError("the stream ended before the job", { code: "unavailable" });
      } catch (thrown) {
        stop.signal.throwIfAborted();
        const { delayMs } = await recovery.after(toBackstayError(thrown), bearer);
        await delay(delayMs, stop.signal);
      }
    }
  } catch (thrown) {
    if (stop.signal.aborted) return undefined;
    throw toBackstayError(thrown);
  } finally {
    unlink();
  }
}

/** What one connection brings. */
async function* connection(transport: Transport, id: string, headers: Headers, stop: AbortSignal): AsyncGenerator<Job> {
  const controller = new AbortController();
  const unlink = linkAbort(stop, controller);
  try {
    const open = transport.stream(JobService.method.watchJob, controller.signal, undefined, headers, only({ id }));
    const response = await heardWithin(SILENCE_MS, open, controller);
    const messages: AsyncIterator<WatchJobResponse> = response.message[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await heardWithin(SILENCE_MS, messages.next(), controller);
      if (done) return;
      if (value.job) yield value.job;
    }
  } finally {
    unlink();
    controller.abort();
  }
}
