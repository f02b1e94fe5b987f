import { describe, expect, it } from "vitest";
import { refused } from "../support.js";
import { handWorker, idsOf, jobHouse, submit } from "./house.js";

const house = jobHouse();
const pauseQueue = async (name: string) => (await house.jobs.pauseQueue({ name })).queue!;

describe("a queue that is paused", () => {
  it("has none of its jobs taken any more; others go on", async () => {
    await submit(house, { queue: "one" });
    const other = await submit(house, { queue: "two" });
    const queue = await pauseQueue("one");
    expect(queue).toMatchObject({ name: "one", due: 1n, running: 0n });
    expect(queue.pauseTime).toBeDefined();
    expect(idsOf(await (await handWorker(house)).take())).toEqual([other.id]);
  });

  it("has those done that run, and more submitted", async () => {
    await submit(house, { queue: "one" });
    const worker = await handWorker(house);
    const [running] = await worker.take();
    await pauseQueue("one");
    expect(await worker.succeed(running!)).toBe(true);
    await submit(house, { queue: "one" });
    expect(await worker.take()).toEqual([]);
    expect((await house.jobs.listQueues({})).queues.find(({ name }) => name === "one")).toMatchObject({ due: 1n });
  });

  it("stays as it is when it is paused again", async () => {
    await submit(house, { queue: "one" });
    const { pauseTime } = await pauseQueue("one");
    expect((await pauseQueue("one")).pauseTime).toEqual(pauseTime);
  });
});

it.each(["nowhere", "Not A Queue", "' or true --"])("finds no queue that never had a job: %s", async (name) => {
  expect(await refused(pauseQueue(name))).toEqual({ code: "not_found", reason: "QUEUE_NOT_FOUND", fields: ["name"] });
});

it("asks for an administrator", async () => {
  const { id } = await submit(house, { queue: "one" });
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.pauseQueue({ name: "one" }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(idsOf(await (await handWorker(house)).take())).toEqual([id]);
});
