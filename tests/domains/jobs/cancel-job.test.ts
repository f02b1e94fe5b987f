import { JobState, timestampFromDate } from "@backstay/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { toDeclaration } from "../../../server/kernel/job-options.js";
import type { RunJob } from "../../../server/kernel/jobs.js";
import { deferred } from "../../client-sdk/support/queue.js";
import { startBackstay } from "../../support/backstay.js";
import { operator, refused, upTo, within } from "../support.js";
import { handWorker, idsOf, jobHouse, submit, submitDead } from "./house.js";

const house = jobHouse();
const cancelJob = async (id: string) => (await house.jobs.cancelJob({ id })).job!;
const getJob = async (id: string) => (await house.jobs.getJob({ id })).job!;
const orderedJobs = async (count: number) => {
  const ids = [];
  for (const _ of upTo(count)) ids.push((await submit(house, { orderKey: "key" })).id);
  return ids as [string, string, ...string[]];
};

describe("a job that waits", () => {
  it.each([
    ["for a worker", {}],
    ["for its time", { runAt: timestampFromDate(new Date("2100-01-01")) }],
  ])("%s is never done", async (_, request) => {
    const { id } = await submit(house, request);
    const job = await cancelJob(id);
    expect(job).toMatchObject({ state: JobState.CANCELLED, attempts: 0 });
    expect(job.finishTime).toBeDefined();
    expect(await getJob(id)).toEqual(job);
    expect(await (await handWorker(house)).take()).toEqual([]);
  });

  it("to be tried again keeps why it failed", async () => {
    const { id } = await submit(house);
    const worker = await handWorker(house);
    await worker.fail((await worker.take())[0]!, "not now", 0);
    expect(await cancelJob(id)).toMatchObject({ state: JobState.CANCELLED, attempts: 1, lastError: "not now" });
  });

  it("gives up its unique key", async () => {
    await cancelJob((await submit(house, { uniqueKey: "key" })).id);
    expect((await house.jobs.submitJob({ name: "app.touch", uniqueKey: "key" })).created).toBe(true);
  });

  it("keeps its unique key for as long as it was to be held", async () => {
    const { id } = await submit(house, { uniqueKey: "key", uniqueFor: { seconds: 60n } });
    await cancelJob(id);
    expect(await house.jobs.submitJob({ name: "app.touch", uniqueKey: "key" })).toMatchObject({
      created: false,
      job: { id, state: JobState.CANCELLED },
    });
  });
});

describe("a job that runs", () => {
  it("is cancelled at once, and what its worker says of it after that is not heard", async () => {
    const { id } = await submit(house);
    const worker = await handWorker(house);
    const [taken] = await worker.take();
    const job = await cancelJob(id);
    expect(job).toMatchObject({ state: JobState.CANCELLED, attempts: 1 });
    expect(await worker.succeed(taken!, "too late")).toBe(false);
    await worker.progress(taken!, "too late");
    expect(await getJob(id)).toEqual(job);
  });

  it("is told by its signal, and nothing that it wrote is kept", async () => {
    const jobs = declaredJobs();
    const [begun, told] = [deferred<void>(), deferred<void>()];
    const run: RunJob = async (_, { db, signal }) => {
      await db.run("insert into backstay.job_queues (name) values ('written')");
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      told.resolve();
    };
    jobs.declare(toDeclaration("app.wait", run));
    const backstay = await startBackstay({}, { overrides: { jobs } });
    onTestFinished(() => backstay.stop());
    const client = operator(backstay);
    const { job } = await client.jobs.submitJob({ name: "app.wait" });
    await within(5_000, begun.promise, "the job begins");
    await client.jobs.cancelJob({ id: job!.id });
    await within(10_000, told.promise, "the job is told");
    expect((await client.jobs.getJob({ id: job!.id })).job).toMatchObject({ state: JobState.CANCELLED, attempts: 1 });
    expect((await client.jobs.listQueues({})).queues.map(({ name }) => name)).not.toContain("written");
  });
});

describe("of an order key", () => {
  it("the next is done when the one that runs is cancelled", async () => {
    const [first, second] = await orderedJobs(3);
    const worker = await handWorker(house);
    expect(idsOf(await worker.take())).toEqual([first]);
    expect(await worker.take()).toEqual([]);
    await cancelJob(first);
    expect(idsOf(await worker.take())).toEqual([second]);
  });

  it("the one after it is next when one that waits is cancelled", async () => {
    const [first, second, third] = await orderedJobs(3);
    const worker = await handWorker(house);
    const [running] = await worker.take();
    await cancelJob(second);
    expect(await worker.take()).toEqual([]);
    expect(await worker.succeed(running!)).toBe(true);
    expect(idsOf(await worker.take())).toEqual([third]);
    expect(await getJob(first)).toMatchObject({ state: JobState.SUCCEEDED });
  });

  it("one that waits for its time, and the next for it, holds up nobody when it is cancelled", async () => {
    const later = await submit(house, { orderKey: "key", runAt: timestampFromDate(new Date("2100-01-01")) });
    const [second] = await orderedJobs(2);
    const worker = await handWorker(house);
    expect(await worker.take()).toEqual([]);
    await cancelJob(later.id);
    expect(idsOf(await worker.take())).toEqual([second]);
  });

  it("all can be cancelled at once", async () => {
    const ids = await orderedJobs(10);
    const worker = await handWorker(house);
    await worker.take();
    const cancelled = await Promise.all(ids.map(cancelJob));
    expect(cancelled.map(({ state }) => state)).toEqual(ids.map(() => JobState.CANCELLED));
    const { id } = await submit(house, { orderKey: "key" });
    expect(idsOf(await worker.take())).toEqual([id]);
  });
});

describe("a job that is finished", () => {
  it("and was cancelled is answered as it is", async () => {
    const { id } = await submit(house);
    const first = await cancelJob(id);
    expect(await cancelJob(id)).toEqual(first);
  });

  it("otherwise is refused", async () => {
    const finished = { code: "failed_precondition", reason: "JOB_FINISHED", fields: ["id"] };
    const dead = await submitDead(house);
    expect(await refused(cancelJob(dead.id))).toEqual(finished);
    const { id } = await submit(house);
    const worker = await handWorker(house);
    await worker.succeed((await worker.take())[0]!);
    expect(await refused(cancelJob(id))).toEqual(finished);
    expect(await getJob(dead.id)).toEqual(dead);
  });
});

it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("finds nothing by what is no job's id: %s", async (id) => {
  expect(await refused(cancelJob(id))).toEqual({ code: "not_found", reason: "JOB_NOT_FOUND", fields: ["id"] });
});

it("asks for an administrator", async () => {
  const job = await submit(house);
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.cancelJob({ id: job.id }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await getJob(job.id)).toEqual(job);
});
