import { JobState, timestampDate, timestampFromDate } from "@backstay/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { toDeclaration } from "../../../server/kernel/job-options.js";
import type { RunJob } from "../../../server/kernel/jobs.js";
import { startBackstay } from "../../support/backstay.js";
import { eventually, openDatabase, operator, refused, upTo } from "../support.js";
import { handWorker, idsOf, jobHouse, submit, submitDead } from "./house.js";

const LATER = timestampFromDate(new Date("2100-01-01"));

const house = jobHouse();
const retryJob = async (id: string) => (await house.jobs.retryJob({ id })).job!;
const getJob = async (id: string) => (await house.jobs.getJob({ id })).job!;

describe("a dead job", () => {
  it("begins anew at its first attempt, and keeps why it died", async () => {
    const dead = await submitDead(house);
    const job = await retryJob(dead.id);
    expect(job).toMatchObject({ state: JobState.QUEUED, attempts: 0, lastError: "it broke" });
    expect(job.finishTime).toBeUndefined();
    expect(timestampDate(job.runAt!).getTime()).toBeGreaterThan(timestampDate(dead.runAt!).getTime());
    expect(await getJob(dead.id)).toEqual(job);

    const worker = await handWorker(house);
    const [taken] = await worker.take();
    expect(taken).toMatchObject({ id: dead.id, attempt: 1 });
    expect(await worker.succeed(taken!)).toBe(true);
    expect(await getJob(dead.id)).toMatchObject({ state: JobState.SUCCEEDED, attempts: 1 });
  });

  it("is no longer his who had it before", async () => {
    const { id } = await submit(house);
    const worker = await handWorker(house);
    const [old] = await worker.take();
    await worker.bury(old!, "it broke");
    await retryJob(id);
    expect(await worker.succeed(old!)).toBe(false);
    const [taken] = await worker.take();
    expect(taken!.fence).toBeGreaterThan(old!.fence);
    expect(await worker.succeed(old!)).toBe(false);
    expect(await worker.succeed(taken!)).toBe(true);
  });

  it("holds its unique key again", async () => {
    const { id } = await submitDead(house, { uniqueKey: "key" });
    await retryJob(id);
    expect(await house.jobs.submitJob({ name: "app.touch", uniqueKey: "key" })).toMatchObject({
      created: false,
      job: { id },
    });
  });

  it("stays dead when another holds its unique key meanwhile", async () => {
    const dead = await submitDead(house, { uniqueKey: "key" });
    await submit(house, { uniqueKey: "key" });
    expect(await refused(retryJob(dead.id))).toEqual({ code: "already_exists", reason: "JOB_EXISTS", fields: ["id"] });
    expect(await getJob(dead.id)).toEqual(dead);
  });

  it("takes its unique key from another that is finished and whose time for it is over", async () => {
    const dead = await submitDead(house, { uniqueKey: "key" });
    const worker = await handWorker(house);
    await submit(house, { uniqueKey: "key", uniqueFor: { seconds: 60n } });
    await worker.succeed((await worker.take())[0]!);
    expect(await refused(retryJob(dead.id))).toMatchObject({ reason: "JOB_EXISTS" });
    await openDatabase(house.backstay)`update backstay.jobs set unique_until = now() - interval '1 ms'`;
    expect(await retryJob(dead.id)).toMatchObject({ state: JobState.QUEUED });
  });

  it("goes first again of its order key, after the one that runs", async () => {
    const dead = await submitDead(house, { orderKey: "key" });
    const others = [];
    for (const _ of upTo(2)) others.push((await submit(house, { orderKey: "key" })).id);
    const worker = await handWorker(house);
    const [running] = await worker.take();
    expect(running?.id).toBe(others[0]);
    await retryJob(dead.id);
    expect(await worker.take()).toEqual([]);
    await worker.succeed(running!);
    const [next] = await worker.take();
    expect(next?.id).toBe(dead.id);
    await worker.succeed(next!);
    expect(idsOf(await worker.take())).toEqual([others[1]]);
  });
});

it("has a dead job done by whoever has hands free", async () => {
  const jobs = declaredJobs();
  const run: RunJob = (_, { attempt }) => {
    runs.push(attempt);
    if (runs.length === 1) throw new Error("it broke");
    return "mended";
  };
  const runs: number[] = [];
  jobs.declare(toDeclaration("app.break", run, { maxAttempts: 1 }));
  const backstay = await startBackstay({}, { overrides: { jobs } });
  onTestFinished(() => backstay.stop());
  const client = operator(backstay);
  const { job } = await client.jobs.submitJob({ name: "app.break" });
  const reaches = (state: JobState) =>
    eventually(5_000, `the job is ${JobState[state]}`, async () => {
      const now = (await client.jobs.getJob({ id: job!.id })).job!;
      return now.state === state ? now : undefined;
    });
  expect((await reaches(JobState.DEAD)).lastError).toContain("it broke");
  await client.jobs.retryJob({ id: job!.id });
  const done = await reaches(JobState.SUCCEEDED);
  expect(done.result?.kind).toEqual({ case: "stringValue", value: "mended" });
  expect(runs).toEqual([1, 1]);
});

describe("a cancelled job", () => {
  it("is done after all", async () => {
    const { id } = await submit(house);
    await house.jobs.cancelJob({ id });
    expect(await retryJob(id)).toMatchObject({ state: JobState.QUEUED, attempts: 0 });
    expect(idsOf(await (await handWorker(house)).take())).toEqual([id]);
  });
});

describe("a job that waits", () => {
  it("for its time waits no longer", async () => {
    const { id } = await submit(house, { runAt: LATER });
    const job = await retryJob(id);
    expect(job).toMatchObject({ state: JobState.QUEUED, attempts: 0 });
    expect(timestampDate(job.runAt!).getTime()).toBeLessThan(timestampDate(LATER).getTime());
    expect(idsOf(await (await handWorker(house)).take())).toEqual([id]);
  });

  it("to be tried again is tried now, with the attempts it had", async () => {
    const { id } = await submit(house);
    const worker = await handWorker(house);
    await worker.fail((await worker.take())[0]!, "not now", 3_600_000);
    expect(await worker.take()).toEqual([]);
    expect(await retryJob(id)).toMatchObject({ state: JobState.RETRYING, attempts: 1, lastError: "not now" });
    expect(await worker.take()).toMatchObject([{ id, attempt: 2 }]);
  });

  it("for a worker keeps its place", async () => {
    const job = await submit(house);
    expect(await retryJob(job.id)).toEqual(job);
  });

  it("for others of its order key still waits for them, but not for its time", async () => {
    const [first, second] = [await submit(house, { orderKey: "key" }), await submit(house, { orderKey: "key" })];
    const worker = await handWorker(house);
    const [running] = await worker.take();
    expect(running?.id).toBe(first.id);
    // It waits for the other, and would then wait for its time.
    await openDatabase(house.backstay)`update backstay.jobs set run_at = '2100-01-01' where id = ${second.id}`;
    await retryJob(second.id);
    expect(await worker.take()).toEqual([]);
    await worker.succeed(running!);
    expect(idsOf(await worker.take())).toEqual([second.id]);
  });
});

describe("what is refused", () => {
  const precondition = (reason: string) => ({ code: "failed_precondition", reason, fields: ["id"] });

  it("is a job that runs, or has succeeded", async () => {
    const { id } = await submit(house);
    const worker = await handWorker(house);
    const [taken] = await worker.take();
    expect(await refused(retryJob(id))).toEqual(precondition("JOB_RUNNING"));
    await worker.succeed(taken!);
    const done = await getJob(id);
    expect(await refused(retryJob(id))).toEqual(precondition("JOB_SUCCEEDED"));
    expect(await getJob(id)).toEqual(done);
  });

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("is no job: %s", async (id) => {
    expect(await refused(retryJob(id))).toEqual({ code: "not_found", reason: "JOB_NOT_FOUND", fields: ["id"] });
  });

  it("is who is no administrator", async () => {
    const dead = await submitDead(house);
    const ada = await house.backstay.signUp();
    expect(await refused(ada.client.jobs.retryJob({ id: dead.id }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
    expect(await getJob(dead.id)).toEqual(dead);
  });
});
