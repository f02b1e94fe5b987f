import { JobState, timestampFromDate } from "@backstay/client";
import { beforeEach, describe, expect, it } from "vitest";
import { listJobs } from "../../../server/domains/jobs/store-list.js";
import { encodePageToken } from "../../../server/kernel/page-token.js";
import { keyOf, refused, upTo } from "../support.js";
import { fillWithFinished, handWorker, idsOf, jobHouse, planOf, submit, submitDead } from "./house.js";

const { QUEUED, RUNNING, RETRYING, SUCCEEDED, DEAD, CANCELLED } = JobState;

const house = jobHouse();
type Request = NonNullable<Parameters<typeof house.jobs.listJobs>[0]>;
const list = async (request: Request = {}) => idsOf((await house.jobs.listJobs(request)).jobs);

/** The ids on all pages of a query. */
async function pages(request: Request): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await house.jobs.listJobs({ ...request, pageToken });
    ids.push(...idsOf(page.jobs));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}

describe("the list", () => {
  it("is empty when there is nothing", async () => {
    expect(await house.jobs.listJobs({})).toMatchObject({ jobs: [], nextPageToken: "" });
  });

  it("has the jobs as GetJob has them, in the order they were submitted, or the reverse", async () => {
    const { jobs: submitted } = await house.jobs.submitJobs({ jobs: upTo(5).map(() => ({ name: "app.touch" })) });
    const ids = submitted.map(({ job }) => job!.id);
    expect(await list()).toEqual(ids);
    expect(await list({ descending: true })).toEqual([...ids].reverse());
    expect((await house.jobs.listJobs({})).jobs[0]).toEqual((await house.jobs.getJob({ id: ids[0]! })).job);
  });

  it("comes page by page, each job once", async () => {
    const { jobs: submitted } = await house.jobs.submitJobs({ jobs: upTo(7).map(() => ({ name: "app.touch" })) });
    const ids = submitted.map(({ job }) => job!.id);
    for (const pageSize of [1, 3, 7, 8]) {
      expect(await pages({ pageSize })).toEqual(ids);
      expect(await pages({ pageSize, descending: true })).toEqual([...ids].reverse());
    }
  });

  it("has 50 jobs a page, and up to 500 when asked to", async () => {
    await house.jobs.submitJobs({ jobs: upTo(501).map(() => ({ name: "app.touch" })) });
    expect(await list()).toHaveLength(50);
    expect(await list({ pageSize: 500 })).toHaveLength(500);
    for (const pageSize of [-1, 501]) {
      expect(await refused(list({ pageSize }))).toMatchObject({ reason: "INVALID_FIELD", fields: ["pageSize"] });
    }
  });
});

describe("the states", () => {
  /** A job of each state; two that are queued and two that are tried again, one of which waits for its time. */
  async function oneOfEach() {
    const worker = await handWorker(house);
    const run = async () => {
      const { id } = await submit(house);
      return { id, taken: (await worker.take()).find((job) => job.id === id)! };
    };
    const succeeded = await run();
    await worker.succeed(succeeded.taken);
    const retrying = await run();
    await worker.fail(retrying.taken, "again", 3_600_000);
    const running = await run();
    const dead = await submitDead(house);
    const cancelled = await submit(house);
    await house.jobs.cancelJob({ id: cancelled.id });
    const due = await run();
    await worker.fail(due.taken, "at once", 0);
    const queued = await submit(house);
    const later = await submit(house, { runAt: timestampFromDate(new Date("2100-01-01")) });
    const ids = { succeeded, retrying, running, dead, cancelled, due, queued, later };
    return Object.fromEntries(Object.entries(ids).map(([name, { id }]) => [name, id])) as Record<
      keyof typeof ids,
      string
    >;
  }

  it("choose the jobs that have one of them", async () => {
    const { succeeded, retrying, running, dead, cancelled, due, queued, later } = await oneOfEach();
    expect(await list({ states: [QUEUED] })).toEqual([queued, later]);
    expect(await list({ states: [RUNNING] })).toEqual([running]);
    expect(await list({ states: [RETRYING] })).toEqual([retrying, due]);
    expect(await list({ states: [SUCCEEDED] })).toEqual([succeeded]);
    expect(await list({ states: [DEAD] })).toEqual([dead]);
    expect(await list({ states: [CANCELLED] })).toEqual([cancelled]);
    expect(await list({ states: [DEAD, RUNNING, DEAD, QUEUED] })).toEqual([running, dead, queued, later]);
    expect(await list({ states: [QUEUED, RUNNING, RETRYING, SUCCEEDED, DEAD, CANCELLED] })).toEqual(await list());
    expect(await pages({ states: [DEAD, RUNNING], pageSize: 1, descending: true })).toEqual([dead, running]);
  });

  it("have those that wait for others of their order key among the queued", async () => {
    const ids = [];
    for (const _ of upTo(3)) ids.push((await submit(house, { orderKey: "key" })).id);
    await (await handWorker(house)).take();
    expect(await list({ states: [QUEUED] })).toEqual(ids.slice(1));
    expect(await list({ states: [RUNNING] })).toEqual(ids.slice(0, 1));
  });

  it("are those there are, and at most six", async () => {
    for (const states of [[0], [7], upTo(6).concat(1)]) {
      expect(await refused(list({ states }))).toMatchObject({ reason: "INVALID_FIELD" });
    }
  });

  it.each([
    ["dead", [DEAD], ["jobs_dead"]],
    ["running", [RUNNING], ["jobs_running"]],
    ["dead or running", [DEAD, RUNNING], ["jobs_dead", "jobs_running"]],
    ["waiting", [QUEUED], ["jobs_due", "jobs_later", "jobs_ordered"]],
    ["unfinished", [QUEUED, RUNNING, RETRYING], ["jobs_due", "jobs_later", "jobs_ordered", "jobs_running"]],
  ])("find the %s among many that are finished without a look at those", async (_, states, indexes) => {
    await fillWithFinished(house);
    const wanted = { states, name: "", queue: "", orderKey: "", uniqueKey: "", cronId: "", descending: false };
    const plan = await planOf(house, (ctx) => listJobs(ctx, { ...wanted, after: undefined, limit: 51 }));
    for (const index of indexes) expect(plan).toContain(index);
    expect(plan).not.toContain("Seq Scan");
  });
});

it("of all jobs, on any page and in either direction, is read in its order and sorted never", async () => {
  await fillWithFinished(house);
  const all = { states: [], name: "", queue: "", orderKey: "", uniqueKey: "", cronId: "" };
  for (const descending of [false, true]) {
    for (const after of [undefined, "7fffffff000070008000000000000000"]) {
      const plan = await planOf(house, (ctx) => listJobs(ctx, { ...all, descending, after, limit: 51 }));
      expect(plan).toContain("jobs_pkey");
      expect(plan).not.toMatch(/Sort|Seq Scan/);
    }
  }
});

describe("the other fields", () => {
  it("choose by name, queue and keys, all of them together", async () => {
    const mail = await submit(house, { name: "app.mail", orderKey: "a" });
    const other = await submit(house, { queue: "mail", orderKey: "b", uniqueKey: "u" });
    const plain = await submit(house, { orderKey: "a" });
    expect(await list({ name: "app.mail" })).toEqual([mail.id]);
    expect(await list({ name: "app.touch" })).toEqual([other.id, plain.id]);
    expect(await list({ queue: "mail" })).toEqual([mail.id, other.id]);
    expect(await list({ orderKey: "a" })).toEqual([mail.id, plain.id]);
    expect(await list({ uniqueKey: "u" })).toEqual([other.id]);
    expect(await list({ name: "app.touch", queue: "mail", states: [QUEUED] })).toEqual([other.id]);
    expect(await list({ name: "app.touch", queue: "mail", orderKey: "a" })).toEqual([]);
    expect(await list({ cronId: "app.nightly" })).toEqual([]);
    expect(await list({ name: "' or true --" })).toEqual([]);
  });

  it("find a unique key also where it was given up", async () => {
    const worker = await handWorker(house);
    const first = await submit(house, { uniqueKey: "u" });
    await worker.succeed((await worker.take())[0]!);
    const second = await submit(house, { uniqueKey: "u" });
    expect(await list({ uniqueKey: "u" })).toEqual([first.id, second.id]);
  });
});

describe("a page token", () => {
  const invalid = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };
  let pageToken: string;
  beforeEach(async () => {
    await house.jobs.submitJobs({ jobs: upTo(3).map(() => ({ name: "app.touch" })) });
    pageToken = (await house.jobs.listJobs({ pageSize: 1, states: [QUEUED, DEAD] })).nextPageToken;
  });

  it.each<[string, Request]>([
    ["other states", { states: [QUEUED] }],
    ["no states", {}],
    ["a name", { states: [QUEUED, DEAD], name: "app.touch" }],
    ["a queue", { states: [QUEUED, DEAD], queue: "default" }],
    ["an order key", { states: [QUEUED, DEAD], orderKey: "x" }],
    ["a unique key", { states: [QUEUED, DEAD], uniqueKey: "x" }],
    ["a cron", { states: [QUEUED, DEAD], cronId: "x" }],
    ["the other direction", { states: [QUEUED, DEAD], descending: true }],
  ])("of this query is refused by that with %s", async (_, request) => {
    expect(await refused(list({ ...request, pageToken }))).toEqual(invalid);
  });

  it("is good for the same states in another order, and for pages of another size", async () => {
    expect(await list({ states: [DEAD, QUEUED, DEAD], pageSize: 2, pageToken })).toHaveLength(2);
  });

  it("is refused when it was made with another key, or is none", async () => {
    const otherKey = { ...keyOf(house.backstay), mac: () => Buffer.alloc(32) };
    for (const token of [encodePageToken(otherKey, { list: "jobs" }, ["1"]), "x", "AAAA"]) {
      expect(await refused(list({ states: [QUEUED, DEAD], pageToken: token }))).toEqual(invalid);
    }
  });
});

it("asks for an administrator", async () => {
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.listJobs({}))).toMatchObject({ reason: "ADMIN_REQUIRED" });
});
