import { JobState } from "@backstay/client";
import { describe, expect, it } from "vitest";
import { refused, upTo } from "../support.js";
import { declareCron } from "./crons.js";
import { handWorker, idsOf, jobHouse } from "./house.js";

const house = jobHouse();
const runCron = async (id: string, idempotencyKey?: string) =>
  (await house.jobs.runCron({ id }, idempotencyKey === undefined ? {} : { idempotencyKey })).job!;
const jobsOf = async (cronId: string) => idsOf((await house.jobs.listJobs({ cronId })).jobs);

describe("a cron that is run", () => {
  it("submits its job, now, and leaves its next time as it is", async () => {
    await declareCron(house, { id: "app.nightly" });
    const [before] = (await house.jobs.listCrons({})).crons;
    const job = await runCron("app.nightly");
    expect(job).toMatchObject({ name: "app.mail", queue: "mail", args: { to: "ben" }, cronId: "app.nightly" });
    expect(job).toMatchObject({ state: JobState.QUEUED, maxAttempts: 3 });
    expect(idsOf(await (await handWorker(house)).take())).toEqual([job.id]);
    expect((await house.jobs.listCrons({})).crons).toEqual([before]);
  });

  it("submits it to its own queue", async () => {
    await declareCron(house, { id: "app.nightly", queue: "remote" });
    expect((await runCron("app.nightly")).queue).toBe("remote");
  });

  it("does so as often as it is asked, also at once", async () => {
    await declareCron(house, { id: "app.nightly" });
    const jobs = await Promise.all(upTo(10).map(() => runCron("app.nightly")));
    expect((await jobsOf("app.nightly")).sort()).toEqual(idsOf(jobs).sort());
    expect(new Set(idsOf(jobs)).size).toBe(10);
  });

  it("does so once for one idempotency key", async () => {
    await declareCron(house, { id: "app.nightly" });
    const first = await runCron("app.nightly", "key");
    expect(await runCron("app.nightly", "key")).toEqual(first);
    expect(await jobsOf("app.nightly")).toEqual([first.id]);
  });

  it("does so also while it is paused", async () => {
    await declareCron(house, { id: "app.nightly" });
    await house.jobs.pauseCron({ id: "app.nightly" });
    const { id } = await runCron("app.nightly");
    expect(await jobsOf("app.nightly")).toEqual([id]);
    expect((await house.jobs.listCrons({})).crons[0]?.pauseTime).toBeDefined();
  });
});

describe("what is refused", () => {
  it.each(["app.nothing", "' or true --"])("is no cron: %s", async (id) => {
    expect(await refused(runCron(id))).toEqual({ code: "not_found", reason: "CRON_NOT_FOUND", fields: ["id"] });
  });

  it("is one whose job this node does not know", async () => {
    await declareCron(house, { id: "app.nightly", job_name: "app.elsewhere" });
    expect(await refused(runCron("app.nightly"))).toMatchObject({ code: "invalid_argument", reason: "UNKNOWN_JOB" });
    expect(await jobsOf("app.nightly")).toEqual([]);
  });

  it("is who is no administrator", async () => {
    await declareCron(house, { id: "app.nightly" });
    const ada = await house.backstay.signUp();
    expect(await refused(ada.client.jobs.runCron({ id: "app.nightly" }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
    expect(await jobsOf("app.nightly")).toEqual([]);
  });
});
