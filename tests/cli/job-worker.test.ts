import { createRequire } from "node:module";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { makeAppFolder } from "../acceptance/app-folder.js";
import { howToServe, type Jobs, jobsOf, serveJobs } from "../acceptance/job-server.js";
import { cleanUp, run as runProgram, type Server } from "../acceptance/server-process.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";

const APP = `
import { backend } from "backstay";

const app = backend();
const twice = { maxAttempts: 2, backoff: { least: "20ms", most: "20ms" } };
const write = (ctx, n) => ctx.db.run("insert into effects (n) values ($1)", [n]);

app.job("app.write", ({ n }, ctx) => write(ctx, n), twice);
app.job("app.throws", async (_, ctx) => {
  await write(ctx, 1_000);
  throw new Error("no mood");
}, twice);
app.job("app.exits", async ({ code }, ctx) => {
  await write(ctx, 1_000);
  process.exit(code);
}, { maxAttempts: 1 });
app.job("app.exitsOnce", async ({ n }, ctx) => {
  await write(ctx, n);
  if (ctx.attempt === 1) process.exit(1);
}, twice);
app.job("app.loops", () => { for (;;); }, { ...twice, timeout: "300ms" });
app.job("app.waits", async (_, ctx) => {
  await write(ctx, 1_000);
  ctx.progress({ waits: true });
  await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
}, twice);
app.job("app.asks", async ({ n }, ctx) => {
  await app.cache().put("n", { n });
  const { id } = await app.publish({ topic: "room/1", type: "room.asked", data: { n } });
  app.notify({ everyone: true }, { n });
  app.recheck("room/1");
  const refused = await app.publish({ topic: "room/1", type: "message.add" }).catch(({ name, reason }) => ({ name, reason }));
  await app.submit("app.write", { n });
  await app.transaction(async (tx) => {
    await tx.db.run("insert into effects (n) values ($1)", [n + 1]);
    await tx.submit("app.write", { n: n + 2 });
  });
  await ctx.submit("app.write", { n: n + 3 });
  ctx.log("asked", { n });
  return { published: /^[0-9a-f]{32}$/.test(id), cached: await app.cache().get("n"), refused };
}, twice);
app.topic("room/{id}", {});

await app.start();
console.log("the code after the start runs");
`;

// Each starts processes, on whatever else the machine does.
vi.setConfig({ testTimeout: 60_000 });

let data: TestDatabase;
let sql: postgres.Sql;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  sql = postgres(data.url, { max: 1, onnotice: () => {} });
  await sql`create table effects (n int not null)`;
});
afterAll(async () => {
  await cleanUp();
  await sql?.end();
  await data?.drop();
});

/** How often a job's statement is kept. */
const effects = async (n: number) => (await sql`select from effects where n = ${n}`).length;

describe.each([
  ["process", 100],
  ["thread", 200],
] as const)("an app's jobs in a %s of their own", (kind, n) => {
  let server: Server & Jobs;
  beforeAll(async () => {
    server = await serveJobs(await makeAppFolder({ "app.ts": APP }), data.url, [
      "--jobs-workers",
      "2",
      "--jobs-isolation",
      kind,
    ]);
  });
  const succeeded = { state: "JOB_STATE_SUCCEEDED", attempts: 1 };
  const run = async (name: string, args: object = {}) => server.until(await server.submit(name, args));

  it("are done once, with what they write", async () => {
    expect(await run("app.write", { n })).toMatchObject(succeeded);
    expect(await effects(n)).toBe(1);
  });

  it("ask of the server, in their transactions and outside of them", async () => {
    const job = await run("app.asks", { n: n + 1 });
    expect(job).toMatchObject({
      ...succeeded,
      result: { published: true, cached: { n: n + 1 }, refused: { name: "DomainError", reason: "RESERVED_TYPE" } },
    });
    while ((await sql`select from effects where n between ${n + 1} and ${n + 4}`).length < 4);
    expect(await sql`select n::int from effects where n between ${n + 1} and ${n + 4} order by n`).toEqual(
      [1, 2, 3, 4].map((more) => ({ n: n + more })),
    );
  });

  it("that throw, exit or never end are given up with the reason, and nothing they wrote is kept", async () => {
    const dead = (attempts: number, lastError: RegExp) => ({
      state: "JOB_STATE_DEAD",
      attempts,
      lastError: expect.stringMatching(lastError),
    });
    const poison = await Promise.all([
      run("app.throws"),
      run("app.exits", { code: 0 }),
      run("app.exits", { code: 3 }),
      run("app.loops"),
    ]);
    expect(poison).toMatchObject([
      dead(2, /^Error: no mood\n\s+at .*app\.ts:\d+/),
      dead(1, new RegExp(`^the job's ${kind} ended with the code 0$`)), // reason: the kind is one of two words
      dead(1, new RegExp(`^the job's ${kind} ended with the code 3$`)), // reason: the kind is one of two words
      dead(2, /^the attempt took longer than 300 ms$/),
    ]);
    expect(await run("app.write", { n: n + 10 })).toMatchObject(succeeded);
    expect(await effects(1_000)).toBe(0);
  });

  it("that die with what they wrote write it once", async () => {
    expect(await run("app.exitsOnce", { n: n + 11 })).toMatchObject({ ...succeeded, attempts: 2 });
    expect(await effects(n + 11)).toBe(1);
  });

  it("that are cancelled are told, and nothing they wrote is kept", async () => {
    const id = await server.submit("app.waits");
    while ((await server.job(id)).progress === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await server.job(id)).toMatchObject({ state: "JOB_STATE_RUNNING", progress: { waits: true } });
    await server.cancel(id);
    expect(await server.until(id)).toMatchObject({ state: "JOB_STATE_CANCELLED", attempts: 1 });
    expect(await run("app.write", { n: n + 12 })).toMatchObject(succeeded);
    expect(await effects(1_000)).toBe(0);
  });

  it("stop with the server, whose own code alone runs on after the start", async () => {
    server.signal("SIGTERM");
    expect(await server.exit).toEqual({ code: 0, signal: null });
    expect(server.lines().filter((line) => line === "the code after the start runs")).toHaveLength(1);
    expect(server.stderr()).toMatch(/"n":\d+,"job":"[0-9a-f]{32}","name":"app.asks","msg":"asked"/);
    expect(server.stderr()).not.toContain("the code after the start runs");
  });
});

describe("an app file that is run by itself", () => {
  it("is what its job workers run, too", async () => {
    const cwd = await makeAppFolder({ "main.ts": APP });
    const { env } = howToServe(cwd, data.url);
    const server = runProgram(["main.ts"], {
      cwd,
      env: { ...env, NODE_ENV: "production", BACKSTAY_PORT: "0", BACKSTAY_JOBS_WORKERS: "1" },
      nodeFlags: ["--import", createRequire(import.meta.url).resolve("tsx")],
      program: [],
    });
    const ready = await server.line((line) => line.startsWith("backstay ready "));
    const jobs = jobsOf(ready.split(" ").at(-1)!, cwd);
    // The server's own process would not outlive it.
    expect(await jobs.until(await jobs.submit("app.exitsOnce", { n: 300 }))).toMatchObject({
      state: "JOB_STATE_SUCCEEDED",
      attempts: 2,
    });
    expect(await effects(300)).toBe(1);
  });
});
