import { JobState, timestampDate } from "@backstay/client";
import { expect, it } from "vitest";
import { curl, operatorToken, refused } from "../support.js";
import { handWorker, jobHouse, submit } from "./house.js";

const NOBODY = "0190163d8694739b8b1fcb8dd4e60777";

const house = jobHouse();
const getJob = async (id: string) => (await house.jobs.getJob({ id })).job!;

it("shows a job as it goes on: who has it, since when, how far it is, and what became of it", async () => {
  const { id } = await submit(house, { maxAttempts: 3 });
  const worker = await handWorker(house);
  const [first] = await worker.take();
  await worker.progress(first!, { done: 3, of: 7 });
  const running = await getJob(id);
  expect(running).toMatchObject({ state: JobState.RUNNING, attempts: 1 });
  expect(running.progress?.kind).toMatchObject({ case: "structValue" });
  expect(timestampDate(running.startTime!).getTime()).toBeGreaterThanOrEqual(
    timestampDate(running.createTime!).getTime(),
  );

  await worker.fail(first!, "not this time", 0);
  expect(await getJob(id)).toMatchObject({ state: JobState.RETRYING, attempts: 1, lastError: "not this time" });
  const [second] = await worker.take();
  await worker.succeed(second!, ["a", { b: 1.5 }, null]);
  const done = await getJob(id);
  expect(done).toMatchObject({ state: JobState.SUCCEEDED, attempts: 2, lastError: "not this time" });
  expect(timestampDate(done.finishTime!).getTime()).toBeGreaterThanOrEqual(timestampDate(done.startTime!).getTime());
  const json = await curl<{ job: object }>(
    house.backstay,
    "jobs.v1.JobService/GetJob",
    { id },
    operatorToken(house.backstay),
  );
  expect(json.job).toMatchObject({ result: ["a", { b: 1.5 }, null], progress: { done: 3, of: 7 } });
});

it.each([0, false, "", "text", -1.5, [], {}])("shows a result as it is: %j", async (result) => {
  const { id } = await submit(house);
  const worker = await handWorker(house);
  await worker.succeed((await worker.take())[0]!, result);
  const { job } = await curl<{ job: { result: unknown } }>(
    house.backstay,
    "jobs.v1.JobService/GetJob",
    { id },
    operatorToken(house.backstay),
  );
  expect(job.result).toEqual(result);
});

it("knows an id in any spelling of it", async () => {
  const { id } = await submit(house);
  const dashed = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
  expect((await getJob(dashed)).id).toBe(id);
});

it.each([NOBODY, "nobody", "0192", "x".repeat(64)])("finds nothing by what is no job's id: %s", async (id) => {
  expect(await refused(getJob(id))).toEqual({ code: "not_found", reason: "JOB_NOT_FOUND", fields: ["id"] });
});

it.each(["", "x".repeat(65)])("refuses what can be no id: %j", async (id) => {
  expect(await refused(getJob(id))).toMatchObject({ reason: "INVALID_FIELD", fields: ["id"] });
});

it("asks for an administrator", async () => {
  const { id } = await submit(house);
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.getJob({ id }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
});
