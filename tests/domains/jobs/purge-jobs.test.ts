import { JobState, timestampFromDate } from "@backstay/client";
import { describe, expect, it } from "vitest";
import { openDatabase, refused } from "../support.js";
import { handWorker, idsOf, jobHouse, submit, submitDead } from "./house.js";

const { QUEUED, RUNNING, RETRYING, SUCCEEDED, DEAD, CANCELLED } = JobState;

const house = jobHouse();
const purge = async (request: Parameters<typeof house.jobs.purgeJobs>[0]) =>
  (await house.jobs.purgeJobs(request)).purgedCount;
const left = async () => idsOf((await house.jobs.listJobs({ pageSize: 500 })).jobs);

async function submitDone(request: Parameters<typeof submit>[1] = {}): Promise<string> {
  const { id } = await submit(house, request);
  const worker = await handWorker(house);
  await worker.succeed((await worker.take(100)).find((job) => job.id === id)!);
  return id;
}

const submitCancelled = async () => (await house.jobs.cancelJob({ id: (await submit(house)).id })).job!.id;

describe("finished jobs", () => {
  it("of the state are deleted, and no others", async () => {
    const [done, dead, cancelled] = [await submitDone(), (await submitDead(house)).id, await submitCancelled()];
    const running = (await submit(house)).id;
    await (await handWorker(house)).take();
    const waiting = (await submit(house)).id;
    expect(await left()).toEqual([done, dead, cancelled, running, waiting]);
    expect(await purge({ state: DEAD })).toBe(1);
    expect(await left()).toEqual([done, cancelled, running, waiting]);
    expect(await purge({ state: SUCCEEDED })).toBe(1);
    expect(await purge({ state: CANCELLED })).toBe(1);
    expect(await left()).toEqual([running, waiting]);
    expect(await purge({ state: SUCCEEDED })).toBe(0);
    expect(await refused(house.jobs.getJob({ id: done }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  it("are chosen by name and queue", async () => {
    const [mail, elsewhere, touch] = [
      await submitDone({ name: "app.mail" }),
      await submitDone({ queue: "mail" }),
      await submitDone(),
    ];
    expect(await purge({ state: SUCCEEDED, name: "app.touch", queue: "mail" })).toBe(1);
    expect(await left()).toEqual([mail, touch]);
    expect(elsewhere).toBeDefined();
    expect(await purge({ state: SUCCEEDED, queue: "mail" })).toBe(1);
    expect(await purge({ state: SUCCEEDED, name: "app.touch" })).toBe(1);
    expect(await left()).toEqual([]);
  });

  it("are chosen by when they were finished", async () => {
    const [old, fresh] = [await submitDone(), await submitDone()];
    const sql = openDatabase(house.backstay);
    await sql`update backstay.jobs set finished_at = '2020-01-01T00:00:01Z' where id = ${old}`;
    const purgeBefore = (time: string) =>
      purge({ state: SUCCEEDED, finishedBefore: timestampFromDate(new Date(time)) });
    expect(await purgeBefore("2020-01-01T00:00:01Z")).toBe(0);
    expect(await purgeBefore("2020-01-01T00:00:01.001Z")).toBe(1);
    expect(await left()).toEqual([fresh]);
  });

  it("stay while their unique key holds", async () => {
    const held = await submitDone({ uniqueKey: "held", uniqueFor: { seconds: 60n } });
    const over = await submitDone({ uniqueKey: "over", uniqueFor: { seconds: 60n } });
    await submitDone({ uniqueKey: "free" });
    const sql = openDatabase(house.backstay);
    await sql`update backstay.jobs set unique_until = now() where id = ${over}`;
    expect(await purge({ state: SUCCEEDED })).toBe(2);
    expect(await left()).toEqual([held]);
    expect((await house.jobs.submitJob({ name: "app.touch", uniqueKey: "held" })).created).toBe(false);
    for (const uniqueKey of ["over", "free"]) {
      expect((await house.jobs.submitJob({ name: "app.touch", uniqueKey })).created).toBe(true);
    }
  });

  it("go 10,000 at a time, those first that were finished first", async () => {
    const sql = openDatabase(house.backstay);
    await sql`insert into backstay.jobs (id, name, queue, args, state, due, priority, run_at, holds_key, max_attempts, created_at,
        finished_at)
      select gen_random_uuid(), 'app.touch', 'default', '{}', 4, false, 0, now(), false, 1, now(),
        case when n <= 5 then '2021-01-01'::timestamptz else '2020-01-01' end
      from generate_series(1, 10005) n`;
    expect(await purge({ state: SUCCEEDED })).toBe(10_000);
    const years = await sql`select extract(year from finished_at)::int as year from backstay.jobs`;
    expect(years.map(({ year }) => year)).toEqual([2021, 2021, 2021, 2021, 2021]);
    expect(await purge({ state: SUCCEEDED })).toBe(5);
  });

  it("stay when somebody has one done again just now", async () => {
    const { id } = await submitDead(house);
    const sql = openDatabase(house.backstay);
    await sql.begin(async (other) => {
      await other`select from backstay.jobs where id = ${id} for update`;
      expect(await purge({ state: DEAD })).toBe(0);
    });
    expect(await purge({ state: DEAD })).toBe(1);
  });
});

describe("what is refused", () => {
  it.each([0, QUEUED, RUNNING, RETRYING, 7])("is a state that is not a finished one: %d", async (state) => {
    const { id } = await submit(house);
    expect(await refused(purge({ state }))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["state"],
    });
    expect(await left()).toEqual([id]);
  });

  it("is who is no administrator", async () => {
    const { id } = await submitDead(house);
    const ada = await house.backstay.signUp();
    expect(await refused(ada.client.jobs.purgeJobs({ state: DEAD }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
    expect(await left()).toEqual([id]);
  });
});
