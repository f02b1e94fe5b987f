import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { type AttemptsParts, createAttempts } from "../../../server/platform/jobs/attempts.js";
import { isolatedRunner } from "../../../server/platform/jobs/isolated/pool.js";
import { createRoom } from "../../../server/platform/jobs/room.js";
import type { Runner } from "../../../server/platform/jobs/runner.js";
import type { ClaimedJob } from "../../../server/platform/queue/queue.js";

const ENTRY = fileURLToPath(new URL("../fixtures/job-child.mjs", import.meta.url));
const log = { debug() {}, info() {}, warn() {}, error() {}, flush() {} };
const NAME = "test.echo";

const started: Runner[] = [];
afterEach(() => Promise.all(started.splice(0).map((runner) => runner.stop())));

/** Attempts of a job whose process takes so long to start; what becomes of them is told in `ends`. */
async function start(startsAfterMs: number, terms: Partial<AttemptsParts> = {}) {
  const runner = isolatedRunner({
    kind: "process",
    count: 1,
    memoryMb: 256,
    entry: ENTRY,
    brief: { startsAfterMs },
    log,
    answer: () => {},
  });
  started.push(runner);
  await runner.start();
  const declared = declaredJobs();
  declared.declare({
    name: NAME,
    run: () => {},
    queue: "default",
    maxAttempts: 1,
    timeoutMs: undefined,
    concurrency: undefined,
    backoffMs: () => 0,
    inside: false,
    check: async (args) => ({ args }),
  });
  const ends: unknown[] = [];
  const attempts = createAttempts({
    declared,
    room: createRoom(declared, { inside: runner, app: runner }),
    timeout: 400,
    log,
    progress: { say() {}, take: () => null, flush: async () => {} },
    isHeld: async () => true,
    onEnded: (_, __, outcome) => void ends.push(outcome),
    onUnbegun: ({ id }) => void ends.push(id),
    onRoom() {},
    ...terms,
  });
  return { attempts, ends };
}

const job = (id: string, args: ClaimedJob["args"] = {}): ClaimedJob => ({
  id,
  name: NAME,
  queue: "default",
  args,
  maxAttempts: 1,
  orderKey: null,
  timeoutMs: null,
  attempt: 1,
  fence: 1,
  workerId: "0".repeat(32),
});

it("count a job's time from when it begins, not from when it began to wait for a process", async () => {
  const { attempts, ends } = await start(1_000);
  attempts.begin(job("1", { job: "echo" }));
  await attempts.idle(20_000);
  expect(ends).toEqual([{ kind: "done", result: { job: "echo" } }]);
});

it("end a job that takes too long once it has begun", async () => {
  const { attempts, ends } = await start(0);
  attempts.begin(job("1", { job: "deaf" }));
  await attempts.idle(20_000);
  expect(ends).toEqual([{ kind: "failed", error: "the attempt took longer than 400 ms" }]);
});

it("give back a job that there is no place for in time, as one that was never taken", async () => {
  const { attempts, ends } = await start(3_000, { beginWithin: 200 });
  attempts.begin(job("1", { job: "echo" }));
  await attempts.idle(20_000);
  expect(ends).toEqual(["1"]);
});
