import { expect, it } from "vitest";
import { refused } from "../support.js";
import { declareCron } from "./crons.js";
import { jobHouse } from "./house.js";

const house = jobHouse();
const pauseCron = async (id: string) => (await house.jobs.pauseCron({ id })).cron!;
const list = async () => (await house.jobs.listCrons({})).crons;

it("leaves a cron without a next time, and others as they are", async () => {
  await declareCron(house, { id: "app.hourly" });
  await declareCron(house, { id: "app.nightly", last_at: "2020-01-01T02:00:00Z" });
  const [hourly] = await list();
  const cron = await pauseCron("app.nightly");
  expect(cron).toMatchObject({ id: "app.nightly", expression: "0 3 * * *" });
  expect(cron.pauseTime).toBeDefined();
  expect(cron.lastTime).toBeDefined();
  expect(cron.nextTime).toBeUndefined();
  expect(await list()).toEqual([hourly, cron]);
});

it("changes nothing of a cron that is paused", async () => {
  await declareCron(house, { id: "app.nightly" });
  const first = await pauseCron("app.nightly");
  expect(await pauseCron("app.nightly")).toEqual(first);
});

it("finds no cron that is not declared", async () => {
  const nothing = { code: "not_found", reason: "CRON_NOT_FOUND", fields: ["id"] };
  expect(await refused(pauseCron("app.nothing"))).toEqual(nothing);
});

it("asks for an administrator", async () => {
  await declareCron(house, { id: "app.nightly" });
  const before = await list();
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.pauseCron({ id: "app.nightly" }))).toMatchObject({ reason: "ADMIN_REQUIRED" });
  expect(await list()).toEqual(before);
});
