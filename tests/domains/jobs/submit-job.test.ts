import { durationFromMs, JobState, OnConflict, timestampDate, timestampFromDate } from "@backstay/client";
import { beforeEach, describe, expect, it } from "vitest";
import { call, type Person } from "../../support/backstay.js";
import { bearer, curl, curlRefused, openDatabase, operatorToken, refused, refusedJson, upTo } from "../support.js";
import { handWorker, idsOf, jobHouse, submit } from "./house.js";

const SUBMIT = "jobs.v1.JobService/SubmitJob";

const house = jobHouse();
const submitJob = (request: object) => house.jobs.submitJob({ name: "app.touch", ...request });
const byCurl = (request: object) =>
  curl<{ job: Record<string, unknown>; created: boolean }>(
    house.backstay,
    SUBMIT,
    { name: "app.touch", ...request },
    operatorToken(house.backstay),
  );
const refusedBy = (request: object) =>
  curlRefused(house.backstay, SUBMIT, { name: "app.touch", ...request }, operatorToken(house.backstay));
const allJobs = async () => (await house.jobs.listJobs({ pageSize: 500 })).jobs;

describe("a job", () => {
  it("waits from then on as it was submitted, with what its function was registered with", async () => {
    const args = { text: "Grüße 👩‍👩‍👧", deep: [{ list: [1, -2.5, 1e21, true, null] }] };
    const { job, created } = await submitJob({ name: "app.mail", args });
    expect(created).toBe(true);
    expect(job).toMatchObject({ name: "app.mail", queue: "mail", args, state: JobState.QUEUED, attempts: 0 });
    expect(job).toMatchObject({ maxAttempts: 3, priority: 0, uniqueKey: "", orderKey: "", lastError: "", cronId: "" });
    expect(job?.timeout).toMatchObject({ seconds: 30n, nanos: 0 });
    expect(job?.id).toMatch(/^[0-9a-f]{32}$/);
    expect(timestampDate(job!.runAt!)).toEqual(timestampDate(job!.createTime!));
    for (const absent of ["progress", "result", "startTime", "finishTime"] as const)
      expect(job?.[absent]).toBeUndefined();
    expect((await house.jobs.getJob({ id: job!.id })).job).toEqual(job);
    expect(idsOf(await (await handWorker(house)).take())).toEqual([job!.id]);
  });

  it("has what the call says instead", async () => {
    const { job } = await submitJob({
      queue: "other",
      priority: -7,
      maxAttempts: 99,
      timeout: durationFromMs(1_500),
      uniqueKey: "unique",
      orderKey: "order",
    });
    expect(job).toMatchObject({
      queue: "other",
      priority: -7,
      maxAttempts: 99,
      uniqueKey: "unique",
      orderKey: "order",
    });
    expect(job?.timeout).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
    const { queues } = await house.jobs.listQueues({});
    expect(queues.map(({ name }) => name)).toContain("other");
  });

  it("without arguments has none", async () => {
    expect((await byCurl({})).job.args).toEqual({});
  });

  it("is taken by its function as its schema says", async () => {
    const { job } = await byCurl({ name: "app.count", args: { n: 1 } });
    expect(job.args).toEqual({ n: 1 });
    expect(await refusedBy({ name: "app.count", args: { n: "1" } })).toEqual({
      code: "invalid_argument",
      reason: "INVALID_ARGS",
      fields: ["args.n"],
    });
  });
});

describe("the time", () => {
  it("that lies ahead is waited for, to the millisecond and never less", async () => {
    const at = new Date(Date.now() + 3_600_000);
    const { nanos, ...rest } = timestampFromDate(at);
    const { job } = await submitJob({ runAt: { ...rest, nanos: nanos + 1 } });
    expect(timestampDate(job!.runAt!)).toEqual(new Date(at.getTime() + 1));
    expect(await (await handWorker(house)).take()).toEqual([]);
  });

  it("is at most the last that there is", async () => {
    const { job } = await byCurl({ runAt: "9999-12-31T23:59:59.999999999Z" });
    expect(job.runAt).toBe("9999-12-31T23:59:59.999Z");
  });

  it.each(["0001-01-01T00:00:00Z", "2020-02-02T02:02:02Z"])("that is past is now: %s", async (runAt) => {
    const { job } = await byCurl({ runAt });
    expect(job.runAt).toEqual(job.createTime);
  });
});

describe("the unique key", () => {
  it("is held while the job is not finished: a second submission answers the first job", async () => {
    const first = await submit(house, { uniqueKey: "key", args: { n: 1 } });
    const second = await submitJob({ name: "app.mail", queue: "elsewhere", uniqueKey: "key", args: { n: 2 } });
    expect(second).toMatchObject({ created: false, job: { id: first.id, name: "app.touch", args: { n: 1 } } });
    expect(idsOf(await allJobs())).toEqual([first.id]);

    const worker = await handWorker(house);
    const [taken] = await worker.take();
    expect((await submitJob({ uniqueKey: "key" })).created).toBe(false);
    await worker.succeed(taken!);
    expect((await submitJob({ uniqueKey: "key" })).created).toBe(true);
  });

  it("is held as long as it was asked for", async () => {
    const worker = await handWorker(house);
    const first = await submit(house, { uniqueKey: "key", uniqueFor: durationFromMs(60_000) });
    await worker.succeed((await worker.take())[0]!);
    expect(await submitJob({ uniqueKey: "key" })).toMatchObject({ created: false, job: { id: first.id } });
    await openDatabase(house.backstay)`update backstay.jobs set unique_until = now() - interval '1 ms'`;
    expect((await submitJob({ uniqueKey: "key" })).created).toBe(true);
  });

  it("of several at once is one job's", async () => {
    const answers = await Promise.all(upTo(20).map((n) => submitJob({ uniqueKey: "key", args: { n } })));
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(answers.map(({ job }) => job?.id)).size).toBe(1);
    expect(await allJobs()).toHaveLength(1);
  });

  it("gives the job that waits the new arguments and time, when it is to be replaced", async () => {
    const first = await submit(house, {
      uniqueKey: "key",
      args: { n: 1 },
      runAt: timestampFromDate(new Date("2100-01-01")),
    });
    const second = await submitJob({ uniqueKey: "key", args: { n: 2 }, priority: 9, onConflict: OnConflict.REPLACE });
    expect(second).toMatchObject({ created: false, job: { id: first.id, args: { n: 2 }, priority: 0 } });
    const worker = await handWorker(house);
    expect((await worker.take()).map(({ args }) => args)).toEqual([{ n: 2 }]);
    // It runs: what it has begun with stays.
    const third = await submitJob({ uniqueKey: "key", args: { n: 3 }, onConflict: OnConflict.REPLACE });
    expect(third).toMatchObject({ created: false, job: { id: first.id, args: { n: 2 }, state: JobState.RUNNING } });
  });

  it("is not another job's to replace: its arguments were checked for that one alone", async () => {
    const first = await submit(house, { uniqueKey: "key", args: { n: 1 } });
    const replace = submitJob({
      name: "app.mail",
      uniqueKey: "key",
      args: { to: "x" },
      onConflict: OnConflict.REPLACE,
    });
    expect(await refused(replace)).toEqual({ code: "already_exists", reason: "JOB_EXISTS", fields: ["uniqueKey"] });
    expect((await house.jobs.getJob({ id: first.id })).job).toEqual(first);
  });

  it("refuses a second job, when that is to fail", async () => {
    await submit(house, { uniqueKey: "key" });
    expect(await refused(submitJob({ uniqueKey: "key", onConflict: OnConflict.FAIL }))).toEqual({
      code: "already_exists",
      reason: "JOB_EXISTS",
      fields: ["uniqueKey"],
    });
  });
});

describe("an idempotency key", () => {
  const withKey = (key: string, request: object = {}) =>
    call(
      house.backstay.url,
      SUBMIT,
      { name: "app.touch", ...request },
      {
        ...bearer(operatorToken(house.backstay)),
        "idempotency-key": key,
      },
    );

  it("makes a repeat answer the same job, as one that was made, and submit nothing", async () => {
    const first = await withKey("again", { args: { n: 1 } });
    const second = await withKey("again", { args: { n: 1 } });
    expect(first.json).toMatchObject({ created: true });
    expect(second).toMatchObject({ status: 200, json: first.json });
    expect(await allJobs()).toHaveLength(1);
  });

  it("is one job when all repeats come at once", async () => {
    const answers = await Promise.all(upTo(20).map(() => withKey("at-once", { uniqueKey: "key", onConflict: 3 })));
    expect(new Set(answers.map(({ json }) => JSON.stringify(json))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200, json: { created: true } });
    expect(await allJobs()).toHaveLength(1);
  });

  it("answers the job as it is now", async () => {
    await withKey("later");
    const worker = await handWorker(house);
    await worker.succeed((await worker.take())[0]!, "done");
    expect((await withKey("later")).json).toMatchObject({ job: { state: "JOB_STATE_SUCCEEDED", result: "done" } });
  });

  it("stands for the job that had the unique key, also when that has given it up", async () => {
    const { id } = await submit(house, { uniqueKey: "key" });
    expect((await withKey("kept", { uniqueKey: "key" })).json).toMatchObject({ job: { id } });
    const worker = await handWorker(house);
    await worker.succeed((await worker.take())[0]!);
    const { json } = await withKey("kept", { uniqueKey: "key" });
    expect(json).toMatchObject({ job: { id } });
    expect(json.created ?? false).toBe(false);
    expect(await allJobs()).toHaveLength(1);
  });

  it("of a job that is no longer kept says so", async () => {
    await withKey("gone");
    await openDatabase(house.backstay)`delete from backstay.jobs`;
    expect(refusedJson((await withKey("gone")).json)).toMatchObject({ code: "not_found", reason: "JOB_NOT_FOUND" });
    expect(await allJobs()).toEqual([]);
  });

  it("is refused with another request", async () => {
    await withKey("other", { args: { n: 1 } });
    const { json } = await withKey("other", { args: { n: 2 } });
    expect(refusedJson(json)).toMatchObject({ code: "failed_precondition", reason: "IDEMPOTENCY_MISMATCH" });
    expect(await allJobs()).toHaveLength(1);
  });

  it("of a call that was refused is free", async () => {
    expect((await withKey("free", { uniqueKey: "key", name: "app.nothing" })).status).toBe(400);
    expect((await withKey("free", { uniqueKey: "key" })).json).toMatchObject({ created: true });
  });

  it("is up to 255 characters long", async () => {
    expect((await withKey("k".repeat(255))).json).toMatchObject({ created: true });
  });
});

describe("what is refused", () => {
  const wrong = (field: string, reason = "INVALID_FIELD") => ({ code: "invalid_argument", reason, fields: [field] });

  it("is a name that nothing is registered by", async () => {
    expect(await refusedBy({ name: "app.nothing" })).toEqual(wrong("name", "UNKNOWN_JOB"));
    expect(await refusedBy({ name: "constructor" })).toEqual(wrong("name", "UNKNOWN_JOB"));
  });

  it.each(["", "1app", "app..x", "app/x", "a.b.c.d.e.f.g.h.i", `app.${"x".repeat(97)}`])(
    "is what is no name: %j",
    async (name) => {
      expect(await refusedBy({ name })).toMatchObject(wrong("name"));
    },
  );

  it.each([
    ["queue", "Mail"],
    ["queue", "q".repeat(64)],
    ["uniqueKey", "k".repeat(256)],
    ["orderKey", "k".repeat(256)],
    ["priority", 101],
    ["priority", -101],
    ["maxAttempts", 101],
    ["maxAttempts", -1],
    ["uniqueFor", "31536001s"],
    ["uniqueFor", "-1s"],
    ["timeout", "0s"],
    ["timeout", "0.000999999s"],
    ["timeout", "86401s"],
    ["onConflict", 4],
  ])("is what is out of bounds: %s %j", async (field, value) => {
    expect(await refusedBy({ [field]: value })).toEqual(wrong(field));
  });

  it("is less than a millisecond of time, and no more than that", async () => {
    expect((await byCurl({ timeout: "0.001s" })).job.timeout).toBe("0.001s");
  });

  it("is more than 256 KiB of arguments", async () => {
    const args = { text: "x".repeat(256 * 1_024 - 11) };
    expect((await byCurl({ args })).job.args).toEqual(args);
    expect(await refusedBy({ args: { text: `${args.text}x` } })).toEqual(wrong("args", "JOB_TOO_LARGE"));
  });

  it("is arguments of more than 32 levels", async () => {
    const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
    expect((await byCurl({ args: nested(32) })).job.args).toEqual(nested(32));
    expect(await refusedBy({ args: nested(33) })).toEqual(wrong("args"));
  });

  it("is text that no database keeps", async () => {
    expect(await refusedBy({ args: { text: "a\u0000b" } })).toEqual(wrong("args", "NUL_IN_TEXT"));
    expect(await refusedBy({ uniqueKey: "a\u0000b" })).toEqual(wrong("uniqueKey", "NUL_IN_TEXT"));
  });
});

describe("who submits", () => {
  let ada: Person;
  beforeEach(async () => {
    ada = await house.backstay.signUp();
  });

  it("is an administrator", async () => {
    const request = { name: "app.touch" };
    expect(await refused(ada.client.jobs.submitJob(request))).toMatchObject({ reason: "ADMIN_REQUIRED" });
    expect(await refused(house.backstay.anonymous().jobs.submitJob(request))).toMatchObject({
      reason: "TOKEN_MISSING",
    });
    expect(await allJobs()).toEqual([]);
  });
});
