import { OnConflict } from "@backstay/client";
import { describe, expect, it } from "vitest";
import { call } from "../../support/backstay.js";
import { bearer, openDatabase, operatorToken, refused, refusedJson, upTo } from "../support.js";
import { handWorker, idsOf, jobHouse, submit } from "./house.js";

const house = jobHouse();
const submitJobs = async (jobs: object[]) =>
  (await house.jobs.submitJobs({ jobs: jobs.map((job) => ({ name: "app.touch", ...job })) })).jobs;
const allJobs = async () => (await house.jobs.listJobs({ pageSize: 500 })).jobs;

describe("a batch", () => {
  it("is answered in its order, and done in it", async () => {
    const answers = await submitJobs(upTo(20).map((n) => ({ args: { n } })));
    expect(answers.map(({ job }) => job?.args)).toEqual(upTo(20).map((n) => ({ n })));
    expect(answers.every(({ created }) => created)).toBe(true);
    expect(idsOf(await allJobs())).toEqual(answers.map(({ job }) => job?.id));
    const taken = await (await handWorker(house)).take(20);
    expect(idsOf(taken).sort()).toEqual(answers.map(({ job }) => job?.id).sort());
  });

  it("may have jobs of several names and queues", async () => {
    const answers = await submitJobs([{}, { name: "app.mail" }, { queue: "third" }]);
    expect(answers.map(({ job }) => job?.queue)).toEqual(["default", "mail", "third"]);
  });

  it("answers the job that holds a unique key, also when that is one of the batch", async () => {
    const { id } = await submit(house, { uniqueKey: "before" });
    const [before, first, second] = await submitJobs([{ uniqueKey: "before" }, { uniqueKey: "a" }, { uniqueKey: "a" }]);
    expect(before).toMatchObject({ created: false, job: { id } });
    expect(first?.created).toBe(true);
    expect(second).toMatchObject({ created: false, job: { id: first?.job?.id } });
    expect(await allJobs()).toHaveLength(2);
  });

  it("has 1 to 1,000 jobs", async () => {
    expect(await submitJobs(upTo(1_000).map(() => ({})))).toHaveLength(1_000);
    for (const jobs of [[], upTo(1_001).map(() => ({}))]) {
      expect(await refused(submitJobs(jobs))).toMatchObject({ reason: "INVALID_FIELD", fields: ["jobs"] });
    }
  });
});

describe("nothing of a batch is submitted", () => {
  const wrong: [what: string, job: object, reason: string, field: string][] = [
    ["a name is unknown", { name: "app.nothing" }, "UNKNOWN_JOB", "name"],
    ["arguments are not what the job takes", { name: "app.count" }, "INVALID_ARGS", "args.n"],
    ["a field is out of bounds", { priority: 101 }, "INVALID_FIELD", "priority"],
    ["a time is too short", { timeout: { seconds: 0n, nanos: 1 } }, "INVALID_FIELD", "timeout"],
    ["a unique key is held", { uniqueKey: "held", onConflict: OnConflict.FAIL }, "JOB_EXISTS", "uniqueKey"],
  ];

  it.each(wrong)("when %s", async (_, job, reason, field) => {
    const { id } = await submit(house, { uniqueKey: "held" });
    expect(await refused(submitJobs([{}, {}, {}, job]))).toMatchObject({ reason, fields: [`jobs[3].${field}`] });
    expect(await refused(submitJobs([job]))).toMatchObject({ reason, fields: [`jobs[0].${field}`] });
    expect(idsOf(await allJobs())).toEqual([id]);
  });
});

it("has no job of the server's own, but by its command line", async () => {
  const admin = await house.backstay.signUp();
  await openDatabase(house.backstay)`update backstay.accounts set roles = '{admin}' where id = ${admin.id}`;
  const own = { name: "backstay.auth.prune" };
  const byAdmin = () => admin.client.jobs.submitJobs({ jobs: [{ name: "app.touch" }, own] });
  const forbidden = { code: "permission_denied", reason: "FIELD_FORBIDDEN", fields: ["jobs[1].name"] };
  // What it remembers of an account it does for a second.
  const answer = () => refused(byAdmin());
  await expect.poll(answer, { timeout: 3_000 }).toEqual(forbidden);
  expect(await refused(admin.client.jobs.submitJob(own))).toEqual({ ...forbidden, fields: ["name"] });
  expect(await allJobs()).toEqual([]);
  expect((await submitJobs([own]))[0]?.created).toBe(true);
});

describe("an idempotency key", () => {
  const withKey = (key: string, jobs: object[]) =>
    call(
      house.backstay.url,
      "jobs.v1.JobService/SubmitJobs",
      { jobs: jobs.map((job) => ({ name: "app.touch", ...job })) },
      { ...bearer(operatorToken(house.backstay)), "idempotency-key": key },
    );

  it("makes a repeat answer the same jobs, and submit nothing", async () => {
    await submit(house, { uniqueKey: "before" });
    const jobs = [{ uniqueKey: "before" }, {}, { uniqueKey: "a" }, { uniqueKey: "a" }];
    const first = await withKey("again", jobs);
    expect((first.json.jobs as { created?: boolean }[]).map(({ created }) => created ?? false)).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(await withKey("again", jobs)).toMatchObject({ status: 200, json: first.json });
    expect(await allJobs()).toHaveLength(3);
  });

  it("is one batch when all repeats come at once", async () => {
    const jobs = upTo(50).map((n) => ({ args: { n } }));
    const answers = await Promise.all(upTo(10).map(() => withKey("k".repeat(255), jobs)));
    expect(new Set(answers.map(({ json }) => JSON.stringify(json))).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    expect(await allJobs()).toHaveLength(50);
  });

  it("is refused with other jobs, be they fewer or more", async () => {
    await withKey("other", [{}, {}]);
    for (const jobs of [[{}], [{}, {}, {}], [{}, { priority: 1 }]]) {
      expect(refusedJson((await withKey("other", jobs)).json)).toMatchObject({ reason: "IDEMPOTENCY_MISMATCH" });
    }
    expect(await allJobs()).toHaveLength(2);
  });

  it("of a batch is not that of a single job", async () => {
    await withKey("two-methods", [{}]);
    await house.jobs.submitJob({ name: "app.touch" }, { idempotencyKey: "two-methods" });
    expect(await allJobs()).toHaveLength(2);
  });
});

it("asks for an administrator", async () => {
  const ada = await house.backstay.signUp();
  const request = { jobs: [{ name: "app.touch" }] };
  expect(await refused(ada.client.jobs.submitJobs(request))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await allJobs()).toEqual([]);
});
