import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { startBackstay } from "../support/backstay.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { makeAppFolder } from "./app-folder.js";
import { serveJobs } from "./job-server.js";
import { cleanUp } from "./server-process.js";

const APP = `
import { backend } from "backstay";

const app = backend();
let greeting;
app.job("app.greets", async () => {
  await app.cache().put("greeted", true);
  return greeting.concat(" ", String(await app.cache().get("greeted")));
}, { maxAttempts: 1 });
app.job("app.later", () => app.submit("app.greets"));
await app.start();
greeting = "hello";
`;

let data: TestDatabase;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

it("a job that was due before the server was there finds the app whole, with what it sets up after its start", async () => {
  const folder = await makeAppFolder({ "app.ts": APP });
  const first = await serveJobs(folder, data.url, ["--roles", "api,relay"]);
  const ids = await first.submitAll(Array.from({ length: 5 }, () => ({ name: "app.greets" })));
  first.signal("SIGTERM");
  expect(await first.exit).toMatchObject({ code: 0 });

  const second = await serveJobs(folder, data.url, []);
  for (const id of ids) {
    expect(await second.until(id)).toMatchObject({ state: "JOB_STATE_SUCCEEDED", result: "hello true" });
  }
  second.signal("SIGTERM");
  expect(await second.exit).toMatchObject({ code: 0 });
}, 60_000);

it("the server's own job workers are those of the setting, and a stop waits for the jobs that run", async () => {
  const folder = await makeAppFolder({
    "app.ts": `
      import { backend } from "backstay";
      const app = backend();
      app.job("app.pid", async () => { await new Promise((resolve) => setTimeout(resolve, 300)); return process.pid; });
      await app.start();
    `,
  });
  const server = await serveJobs(folder, data.url, ["--jobs-workers", "1"]);
  const [one, two] = await server.submitAll([{ name: "app.pid" }, { name: "app.pid" }]);
  const [first, second] = [await server.until(one!), await server.until(two!)];
  expect(first.result).toBe(second.result);
  expect(first.result).not.toBe(server.pid);
  const last = await server.submit("app.pid");
  await server.until(last, "RUNNING", "SUCCEEDED");
  server.signal("SIGTERM");
  expect(await server.exit).toMatchObject({ code: 0 });
  const sql = postgres(data.url, { max: 1 });
  const [row] = await sql`select state from backstay.jobs where id = ${last}`.finally(() => sql.end());
  expect(row).toEqual({ state: 4 });
}, 60_000);

it("a server that is stopped as soon as it is started leaves no worker behind", async () => {
  const backstays = await Promise.all(
    Array.from({ length: 3 }, () =>
      startBackstay({ "database.url": data.url, secret: "ab".repeat(32), "jobs.lease": "500ms" }),
    ),
  );
  await Promise.all(backstays.map((backstay) => backstay.stop()));
  const sql = postgres(data.url, { max: 1 });
  // Whoever still said that he is there would say so four times in this time.
  await pause(600);
  const living = await sql`select id from backstay.job_workers where lease_until > now()`.finally(() => sql.end());
  expect(living).toEqual([]);
}, 30_000);
