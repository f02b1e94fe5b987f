import { type Queue, timestampFromDate } from "@backstay/client";
import { expect, it } from "vitest";
import { listQueues } from "../../../server/domains/jobs/store-queues.js";
import { openDatabase, refused, upTo } from "../support.js";
import { fillWithFinished, handWorker, jobHouse, planOf, submit, submitDead } from "./house.js";

const house = jobHouse();
const list = async () => (await house.jobs.listQueues({})).queues;
const find = async (name: string): Promise<Queue> => (await list()).find((queue) => queue.name === name)!;
const ms = ({ oldest }: Queue) => Number(oldest!.seconds) * 1_000 + oldest!.nanos / 1e6;

it("shows every queue that a job was submitted to, by name", async () => {
  for (const queue of ["z", "a", "a-b", "a1"]) await submit(house, { queue });
  const names = (await list()).map(({ name }) => name);
  expect(names).toEqual([...names].sort());
  expect(names).toEqual(expect.arrayContaining(["a", "a-b", "a1", "z"]));
});

it("counts the jobs that are due, wait, run and are dead, of each queue", async () => {
  const worker = await handWorker(house);
  const inOne = (request: object = {}) => submit(house, { queue: "one", ...request });
  await submitDead(house, { queue: "one" });
  await inOne();
  await worker.succeed((await worker.take())[0]!);
  for (const _ of upTo(2)) await inOne({ orderKey: "key" });
  await inOne();
  expect(await worker.take()).toHaveLength(2);
  await inOne();
  await worker.fail((await worker.take())[0]!, "later", 3_600_000);
  await inOne({ runAt: timestampFromDate(new Date("2100-01-01")) });
  for (const _ of upTo(4)) await inOne();
  await submit(house, { queue: "two" });
  await house.jobs.cancelJob({ id: (await inOne()).id });

  expect(await find("one")).toMatchObject({ due: 4n, waiting: 3n, running: 2n, dead: 1n });
  expect(await find("two")).toMatchObject({ due: 1n, waiting: 0n, running: 0n, dead: 0n });
});

it("says how long the oldest of those that are due has waited", async () => {
  await submit(house, { queue: "one" });
  await submit(house, { queue: "one" });
  const sql = openDatabase(house.backstay);
  const day = 86_400_000;
  await sql`update backstay.jobs set run_at = now() - interval '1 day' where seq = (select max(seq) from backstay.jobs)`;
  const queue = await find("one");
  expect(ms(queue)).toBeGreaterThanOrEqual(day);
  expect(ms(queue)).toBeLessThan(2 * day);
});

it("has no oldest job where none is due", async () => {
  await submit(house, { queue: "one", runAt: timestampFromDate(new Date("2100-01-01")) });
  await submitDead(house, { queue: "two" });
  for (const name of ["one", "two"]) expect((await find(name)).oldest).toBeUndefined();
  expect((await find("one")).pauseTime).toBeUndefined();
});

it("does not look at jobs that are finished, of which there may be millions", async () => {
  await fillWithFinished(house);
  const plan = await planOf(house, (ctx) => listQueues(ctx, {}));
  for (const index of ["jobs_due", "jobs_later", "jobs_ordered", "jobs_running", "jobs_dead"])
    expect(plan).toContain(index);
  expect(plan).not.toContain("Seq Scan on jobs");
});

it("asks for an administrator", async () => {
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.listQueues({}))).toMatchObject({ reason: "ADMIN_REQUIRED" });
});
