import { JobState } from "@backstay/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { startBackstay } from "../../support/backstay.js";
import { eventually, operator, refused } from "../support.js";
import { handWorker, idsOf, jobHouse, someJobs, submit } from "./house.js";

const house = jobHouse();
const resumeQueue = async (name: string) => (await house.jobs.resumeQueue({ name })).queue!;

describe("a queue that is resumed", () => {
  it("has its jobs taken again, those too that were submitted meanwhile", async () => {
    const before = await submit(house, { queue: "one" });
    await house.jobs.pauseQueue({ name: "one" });
    const meanwhile = await submit(house, { queue: "one" });
    const queue = await resumeQueue("one");
    expect(queue).toMatchObject({ name: "one", due: 2n });
    expect(queue.pauseTime).toBeUndefined();
    expect(idsOf(await (await handWorker(house)).take())).toEqual([before.id, meanwhile.id]);
  });

  it("has them done by whoever has hands free", async () => {
    const backstay = await startBackstay({}, { overrides: { jobs: someJobs() } });
    onTestFinished(() => backstay.stop());
    const client = operator(backstay).jobs;
    const stateOf = async (id: string) => (await client.getJob({ id })).job!.state;
    const submitTouch = async () => (await client.submitJob({ name: "app.touch" })).job!.id;
    const reachEnd = (id: string) =>
      eventually(5_000, "the job is done", async () => (await stateOf(id)) === JobState.SUCCEEDED || undefined);
    await reachEnd(await submitTouch());
    await client.pauseQueue({ name: "default" });
    const id = await submitTouch();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await stateOf(id)).toBe(JobState.QUEUED);
    await client.resumeQueue({ name: "default" });
    await reachEnd(id);
  });

  it("and was not paused stays as it is", async () => {
    await submit(house, { queue: "one" });
    expect(await resumeQueue("one")).toMatchObject({ name: "one", due: 1n });
  });
});

it("finds no queue that never had a job", async () => {
  const nothing = { code: "not_found", reason: "QUEUE_NOT_FOUND", fields: ["name"] };
  expect(await refused(resumeQueue("nowhere"))).toEqual(nothing);
});

it("asks for an administrator", async () => {
  await submit(house, { queue: "one" });
  await house.jobs.pauseQueue({ name: "one" });
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.resumeQueue({ name: "one" }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await (await handWorker(house)).take()).toEqual([]);
});
