import { timestampFromDate } from "@backstay/client";
import { expect, it } from "vitest";
import { refused } from "../support.js";
import { declareCron } from "./crons.js";
import { jobHouse } from "./house.js";

const JOB = "0190163d8694739b8b1fcb8dd4e60777";

const house = jobHouse();
const list = async () => (await house.jobs.listCrons({})).crons;

it("is empty when nothing is done by the clock", async () => {
  expect(await list()).toEqual([]);
});

it("shows what is done by the clock, by id", async () => {
  for (const id of ["app.b", "app.a-b", "app.a", "app.a1"]) await declareCron(house, { id });
  expect((await list()).map(({ id }) => id)).toEqual(["app.a", "app.a-b", "app.a1", "app.b"]);
});

it("shows what a cron does, when it does it next, and what it did last", async () => {
  await declareCron(house, { id: "app.new" });
  await declareCron(house, {
    id: "app.old",
    queue: "remote",
    missed: "skip",
    last_at: "2020-01-01T02:00:00Z",
    last_job_id: JOB,
  });
  const [fresh, old] = await list();
  expect(fresh).toMatchObject({
    id: "app.new",
    expression: "0 3 * * *",
    timeZone: "Europe/Berlin",
    jobName: "app.mail",
    args: { to: "ben" },
    queue: "",
    missed: "one",
    nextTime: timestampFromDate(new Date("2100-01-01T02:00:00Z")),
    lastJobId: "",
  });
  expect(fresh?.pauseTime).toBeUndefined();
  expect(fresh?.lastTime).toBeUndefined();
  const lastTime = timestampFromDate(new Date("2020-01-01T02:00:00Z"));
  expect(old).toMatchObject({ queue: "remote", missed: "skip", lastTime, lastJobId: JOB });
});

it("shows no next time where there is none", async () => {
  await declareCron(house, { id: "app.over", next_at: null });
  expect((await list())[0]?.nextTime).toBeUndefined();
});

it("asks for an administrator", async () => {
  const ada = await house.backstay.signUp();
  expect(await refused(ada.client.jobs.listCrons({}))).toMatchObject({ reason: "ADMIN_REQUIRED" });
});
