import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { makeAppFolder } from "./app-folder.js";
import { howToServe, serveJobs } from "./job-server.js";
import { type Backstay, cleanUp, run } from "./server-process.js";

const APP = `
import { backend } from "backstay";

const app = backend();
app.job("app.spins", () => { for (;;); }, { maxAttempts: 2, backoff: { least: "20ms" } });
app.job("app.fine", ({ n }) => n, { maxAttempts: 20, backoff: { least: "20ms" } });
await app.start();
`;

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

const FLAGS = ["--jobs-stall-limit", "1s", "--jobs-lease", "1s"];
const lastLine = (server: Backstay) => JSON.parse(server.stderr().trim().split("\n").at(-1)!) as object;

it("a job that blocks the server's own process ends it with its name in the last line, and is dead after its attempts", async () => {
  const folder = await makeAppFolder({ "app.ts": APP });
  const first = await serveJobs(folder, data.url, FLAGS);
  const [before, poison, after] = await first.submitAll([
    { name: "app.fine", args: { n: 1 } },
    // Not before the answer is out: from then on the server says nothing more.
    { name: "app.spins", runAt: new Date(Date.now() + 500).toISOString() },
    { name: "app.fine", args: { n: 2 } },
  ]);
  expect(await first.exit).toEqual({ code: null, signal: "SIGKILL" });
  expect(lastLine(first)).toMatchObject({ level: 60, job: "app.spins", id: poison });

  const second = run(["serve", "--port", "0", ...FLAGS], howToServe(folder, data.url));
  expect(await second.exit).toEqual({ code: null, signal: "SIGKILL" });
  expect(lastLine(second)).toMatchObject({ job: "app.spins", id: poison });

  const third = await serveJobs(folder, data.url, FLAGS);
  expect(await third.until(poison!)).toMatchObject({
    state: "JOB_STATE_DEAD",
    attempts: 2,
    lastError: "the worker that ran it was lost",
  });
  expect([await third.until(before!), await third.until(after!)]).toMatchObject([
    { state: "JOB_STATE_SUCCEEDED", result: 1 },
    { state: "JOB_STATE_SUCCEEDED", result: 2 },
  ]);
  expect(third.isRunning()).toBe(true);
}, 60_000);
