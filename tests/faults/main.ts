import { parseArgs } from "node:util";
import { cronFaults } from "./cron.js";
import { jobFaults } from "./jobs.js";
import { poisonFaults } from "./poison.js";
import { realtimeFaults } from "./realtime.js";
import { socialFaults } from "./social.js";

const USAGE = `npm run faults -- NAME [--seed N]
  realtime   50,000 events to 200 clients over two nodes while NATS stops, is wiped, lines break and a node dies
  jobs       10,000 jobs and 100 kill -9 of two workers, on PostgreSQL, then on NATS that stops, is wiped and cut off;
             then 2,000 jobs with 1 % poison, in processes and in threads
  cron       500 ticks of a second over three nodes, one killed or paused just then
  social     5,000 operations of the social graph and a kill -9 of the server or its database in the middle, ten times`;

const { values, positionals } = parseArgs({ options: { seed: { type: "string" } }, allowPositionals: true });
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const tell = (text: string) => process.stderr.write(`faults: ${text}\n`);

/** A verdict, and whether it is a good one. */
type Run = () => Promise<[verdict: object, isGood: boolean]>;

const RUNS: Readonly<Record<string, readonly Run[]>> = {
  realtime: [realtime],
  jobs: [() => jobs("postgres"), () => jobs("nats"), () => poison("process"), () => poison("thread")],
  cron: [cron],
  social: [social],
};

const runs = RUNS[positionals[0] ?? ""];
if (runs === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exitCode = 2;
} else {
  for (const run of runs) {
    const [verdict, isGood] = await run();
    process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
    if (!isGood) process.exitCode = 1;
  }
}

async function realtime(): ReturnType<Run> {
  const verdict = await realtimeFaults(
    { seed, events: 50_000, clients: 200, accounts: 50, rate: 500, outageMs: 30_000, cutEveryMs: [500, 3_000] },
    tell,
  );
  const { lost, duplicated, reordered, wrongInNats, complaints } = verdict;
  return [verdict, lost + duplicated + reordered + wrongInNats + complaints.length === 0];
}

async function jobs(queue: "postgres" | "nats"): ReturnType<Run> {
  const plan = { seed, queue, jobs: 10_000, rate: 50, kills: 100, outageMs: 10_000 };
  const verdict = await jobFaults({ ...plan, killEveryMs: [500, 3_000] }, tell);
  const { submitted, succeeded, withoutEffect, effectsTwice, longestWaitAfterKillMs, longestFirstWaitMs } = verdict;
  const isWhole = submitted === plan.jobs && succeeded === plan.jobs && withoutEffect + effectsTwice === 0;
  return [verdict, isWhole && Math.max(longestWaitAfterKillMs, longestFirstWaitMs) <= 30_000];
}

async function poison(isolation: "process" | "thread"): ReturnType<Run> {
  const verdict = await poisonFaults({ seed, isolation, jobs: 2_000, poison: 20 }, tell);
  const { good, goodDone, effectsTwice, poisonDead, serverLived } = verdict;
  return [verdict, goodDone === good && effectsTwice === 0 && poisonDead === verdict.poison && serverLived];
}

async function cron(): ReturnType<Run> {
  const verdict = await cronFaults({ seed, ticks: 500, every: [2, 6], pauseMs: [3_000, 30_000] }, tell);
  const { ticks, fired, firedTwice, done, effects } = verdict;
  return [verdict, fired === ticks && firedTwice === 0 && done === ticks && effects === ticks];
}

async function social(): ReturnType<Run> {
  const plan = { seed, rounds: 10, operations: 5_000, accounts: 16, databaseEvery: 3 };
  const verdict = await socialFaults(plan, tell);
  return [verdict, verdict.complaints.length === 0 && verdict.unanswered > 0];
}
