import { expect, it, onTestFinished } from "vitest";
import { toCron } from "../../../server/kernel/job-options.js";
import { startBackstay } from "../../support/backstay.js";
import { eventually, operator, refused } from "../support.js";
import { declareCron } from "./crons.js";
import { jobHouse, someJobs } from "./house.js";

const house = jobHouse();
const resumeCron = async (id: string) => (await house.jobs.resumeCron({ id })).cron!;
const list = async () => (await house.jobs.listCrons({})).crons;

it("ends the pause, and leaves the next time to be found anew", async () => {
  await declareCron(house, { id: "app.nightly" });
  await house.jobs.pauseCron({ id: "app.nightly" });
  const cron = await resumeCron("app.nightly");
  expect(cron.id).toBe("app.nightly");
  expect(cron.pauseTime).toBeUndefined();
  expect(cron.nextTime).toBeUndefined();
  expect(await list()).toEqual([cron]);
});

it("has whoever keeps the clock find the next time from now on", async () => {
  const jobs = someJobs();
  jobs.declareCron(toCron("app.monthly", "0 3 1 * *", "app.touch"));
  const backstay = await startBackstay({}, { overrides: { jobs } });
  onTestFinished(() => backstay.stop());
  const client = operator(backstay).jobs;
  const nextTime = () =>
    eventually(5_000, "the next time is known", async () => {
      const { crons } = await client.listCrons({});
      return crons.find(({ id }) => id === "app.monthly")?.nextTime;
    });
  const before = await nextTime();
  expect((await client.pauseCron({ id: "app.monthly" })).cron?.nextTime).toBeUndefined();
  await client.resumeCron({ id: "app.monthly" });
  expect(await nextTime()).toEqual(before);
});

it("changes nothing of a cron that is not paused", async () => {
  await declareCron(house, { id: "app.nightly" });
  const before = await list();
  expect(await resumeCron("app.nightly")).toEqual(before[0]);
  expect(await list()).toEqual(before);
});

it("finds no cron that is not declared", async () => {
  const nothing = { code: "not_found", reason: "CRON_NOT_FOUND", fields: ["id"] };
  expect(await refused(resumeCron("app.nothing"))).toEqual(nothing);
});

it("asks for an administrator", async () => {
  await declareCron(house, { id: "app.nightly" });
  await house.jobs.pauseCron({ id: "app.nightly" });
  const before = await list();
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.resumeCron({ id: "app.nightly" }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await list()).toEqual(before);
});
