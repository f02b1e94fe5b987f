/**
 * graphile-worker and pg-boss as the bench asks them: `node job-peers.mjs FOLDER NAME DATABASE_URL WHAT COUNT`, where FOLDER has
 * them installed. Prints one JSON object.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [folder, name, url, what, countText] = process.argv.slice(2);
const count = Number(countText);
const resolve = createRequire(join(folder, "package.json")).resolve;
const load = (module) => import(pathToFileURL(resolve(module)).href);
const { default: pg } = await load("pg");
const IN_FLIGHT = 16;
const FILL = 1_000;

const peer = await (name === "graphile-worker" ? graphile() : boss());
await peer.start();
const answer = await { fill, single, batched: () => drain(peer.batched), plain: () => drain(peer.plain), pickup }[
  what
]();
console.log(JSON.stringify(answer));
await peer.stop();
process.exit();

async function fill() {
  for (let n = 0; n < count; n += FILL) await peer.fill(Math.min(FILL, count - n));
  return { filled: count };
}

/** Jobs added one a call, some at a time. */
async function single() {
  let left = count;
  const began = performance.now();
  const add = async () => {
    while (left-- > 0) await peer.add({ n: left });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, add));
  return { perSecond: (count * 1000) / (performance.now() - began) };
}

/** From the first job's beginning until the database has none left, or for as long as is patience for. */
async function drain(work) {
  let began = 0;
  let done = 0;
  let finish = () => {};
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  await work((jobs) => {
    began ||= performance.now();
    done += jobs;
    if (done >= count) finish();
  });
  await Promise.race([finished, pause(60_000)]);
  if (done >= count) while ((await peer.left()) > 0) await pause(2);
  return { perSecond: (done * 1000) / (performance.now() - began), done };
}

/** From the call that adds a job to its beginning, in milliseconds. */
async function pickup() {
  const waits = [];
  let begun = () => {};
  await peer.plain(() => begun(), true);
  for (let n = 0; n < count; n++) {
    await pause(20 + Math.random() * 30);
    const began = performance.now();
    const picked = new Promise((resolve) => {
      begun = resolve;
    });
    await Promise.all([peer.add({ n }), picked]);
    waits.push(performance.now() - began);
  }
  waits.sort((a, b) => a - b);
  return { p50: waits[waits.length >> 1], p99: waits[Math.floor(waits.length * 0.99)] };
}

async function graphile() {
  const { run, makeWorkerUtils } = await load("graphile-worker");
  const pool = new pg.Pool({ connectionString: url, max: 20 });
  const utils = await makeWorkerUtils({ pgPool: pool });
  await utils.migrate();
  let runner;
  const work = (options) => async (told) => {
    runner = await run({ pgPool: pool, noHandleSignals: true, taskList: { trivial: () => told(1) }, ...options });
  };
  return {
    start: async () => {},
    fill: (many) => utils.addJobs(Array.from({ length: many }, (_, n) => ({ identifier: "trivial", payload: { n } }))),
    add: (payload) => utils.addJob("trivial", payload),
    plain: work({}),
    // As its documentation has it for speed: jobs are fetched ahead, and completions gathered.
    batched: work({
      preset: {
        worker: { concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
      },
    }),
    async left() {
      const { rows } = await pool.query("select count(*)::int as left from graphile_worker._private_jobs");
      return rows[0].left;
    },
    async stop() {
      await runner?.stop();
      await utils.release();
      await pool.end();
    },
  };
}

async function boss() {
  const { PgBoss } = await load("pg-boss");
  const instance = new PgBoss({ connectionString: url, max: 20 });
  instance.on("error", () => {});
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  return {
    async start() {
      await instance.start();
      await instance.createQueue("trivial");
    },
    fill: (many) =>
      instance.insert(
        "trivial",
        Array.from({ length: many }, (_, n) => ({ data: { n } })),
      ),
    add: (data) => instance.send("trivial", data),
    plain: (told) => instance.work("trivial", async (jobs) => told(jobs.length)),
    batched: (told) =>
      instance.work(
        "trivial",
        { batchSize: 1_000, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
        async (jobs) => told(jobs.length),
      ),
    async left() {
      const { rows } = await pool.query("select count(*)::int as left from pgboss.job where state < 'completed'");
      return rows[0].left;
    },
    async stop() {
      await instance.stop({ graceful: false });
      await pool.end();
    },
  };
}
