import { setTimeout as pause } from "node:timers/promises";
import { type History, history } from "./history.js";
import { type Attempt, type JobHouse, leaseOf, NOTE_ATTEMPT, openJobHouse } from "./job-house.js";
import { type Random, seeded } from "./random.js";

/** How much of it, and how bad. */
export interface JobsPlan {
  readonly seed: number;
  readonly queue: "postgres" | "nats";
  readonly jobs: number;
  /** Jobs a second that are submitted. */
  readonly rate: number;
  readonly kills: number;
  /** Between two kills, in milliseconds. */
  readonly killEveryMs: readonly [least: number, most: number];
  /** How long a server that says nothing keeps its jobs, as the setting says it; as usual when absent. */
  readonly lease?: string;
  /** How long NATS is stopped, and cut off, in milliseconds. */
  readonly outageMs: number;
}

/** What came of it. */
export interface JobsVerdict {
  readonly seed: number;
  readonly queue: string;
  readonly history: string;
  readonly submitted: number;
  readonly succeeded: number;
  /** Jobs whose effect is not in the database, and effects beyond the first of a job. */
  readonly withoutEffect: number;
  readonly effectsTwice: number;
  /** The longest that a job waited for its first attempt, and for the next one after the kill that ended its last. */
  readonly longestFirstWaitMs: number;
  readonly longestWaitAfterKillMs: number;
  /** Attempts that a kill ended: a run in which none was has tried nothing. */
  readonly attemptsKilled: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const APP = `
import { setTimeout as pause } from "node:timers/promises";
import { backend } from "backstay";
${NOTE_ATTEMPT}
const app = backend();
app.job("fault.effect", async ({ n, ms, late }, ctx) => {
  note(ctx);
  if (late) await pause(ms);
  await ctx.db.run("insert into app.effects (job_id, n, attempt) values ($1, $2, $3)", [ctx.id, n, ctx.attempt]);
  if (!late) await pause(ms);
  return { n };
});
await app.start();
`;

/** Within this everything is done once nothing breaks any more. */
const SETTLED_MS = 90_000;
const BATCH = 50;

/** Has two servers do jobs that write to the database while they, and NATS, are killed; and counts what was written. */
export async function jobFaults(plan: JobsPlan, tell: (text: string) => void): Promise<JobsVerdict> {
  const began = performance.now();
  const notes = history(`jobs-${plan.queue}`, plan.seed);
  notes.note("plan", plan);
  const random = seeded(plan.seed);
  const house = await openJobHouse({ queue: plan.queue, nodes: 2, app: APP, env: leaseOf(plan) }, notes);
  const faults: Record<string, number> = { kills: 0 };
  try {
    tell(`two servers on ${plan.queue}; seed ${plan.seed}, history ${notes.file}`);
    const killing = killAtRandom(house, plan, random, (count) => {
      faults.kills = count;
      if (count % 10 === 0) tell(`${count} kills`);
    });
    const breakingNats = plan.queue === "nats" ? breakNats(house, plan, faults, notes) : undefined;
    const [kills] = await Promise.all([killing, submitAll(house, plan, random), breakingNats]);
    tell("everything is submitted; waiting for what is left");
    await settled(house);
    return await judge(house, plan, kills, { notes, faults, began });
  } finally {
    await house.stop();
    notes.flush();
  }
}

async function submitAll(house: JobHouse, plan: JobsPlan, random: Random): Promise<void> {
  const began = performance.now();
  for (let n = 0; n < plan.jobs; n += BATCH) {
    await pause(Math.max(0, began + (n * 1000) / plan.rate - performance.now()));
    const jobs = Array.from({ length: Math.min(BATCH, plan.jobs - n) }, (_, k) => ({
      name: "fault.effect",
      args: { n: n + k, ms: random.between(0, 150), late: random.next() < 0.5 },
    }));
    await house.submit(jobs);
  }
}

interface Kill {
  readonly pid: number;
  readonly at: number;
}

/** Kills one of the servers at a time, at any moment; it is started again at once. */
async function killAtRandom(
  house: JobHouse,
  plan: JobsPlan,
  random: Random,
  told: (count: number) => void,
): Promise<Kill[]> {
  const kills: Kill[] = [];
  const starting = new Set<Promise<void>>();
  while (kills.length < plan.kills) {
    await pause(random.between(...plan.killEveryMs));
    const alive = house.nodes.flatMap((node, which) => (node === undefined ? [] : [which]));
    if (alive.length === 0) await Promise.race(starting);
    else {
      const which = random.pick(alive);
      kills.push(await house.killNode(which));
      const start = house.startNode(which).finally(() => starting.delete(start));
      starting.add(start);
      told(kills.length);
    }
  }
  await Promise.all(starting);
  return kills;
}

/** Stops NATS, wipes it, and cuts it off without a word, one after the other, again and again. */
async function breakNats(
  house: JobHouse,
  plan: JobsPlan,
  faults: Record<string, number>,
  notes: History,
): Promise<void> {
  const { server, proxy } = house.nats!;
  const count = (fault: string) => {
    faults[fault] = (faults[fault] ?? 0) + 1;
    notes.note(fault);
  };
  const end = performance.now() + (plan.jobs / plan.rate) * 1000;
  while (performance.now() < end) {
    count("NATS stopped");
    await server.kill9();
    await pause(plan.outageMs);
    await server.start();
    await pause(plan.outageMs);
    count("NATS wiped");
    await server.kill9();
    await server.wipe();
    await server.start();
    await pause(plan.outageMs);
    count("NATS cut off");
    proxy.stall();
    await pause(plan.outageMs);
    await proxy.mend();
    await pause(plan.outageMs);
  }
}

async function settled(house: JobHouse): Promise<void> {
  const end = performance.now() + SETTLED_MS;
  for (;;) {
    const [row] =
      await house.sql`select count(*)::int as open from backstay.jobs where state in (1, 2, 3) and name like 'fault.%'`;
    if (row!.open === 0 || performance.now() > end) return;
    await pause(100);
  }
}

function attemptsByJob(house: JobHouse): Map<string, Attempt[]> {
  const byJob = new Map<string, Attempt[]>();
  for (const attempt of house.attempts()) byJob.set(attempt.id, [...(byJob.get(attempt.id) ?? []), attempt]);
  return byJob;
}

async function judge(
  house: JobHouse,
  plan: JobsPlan,
  kills: readonly Kill[],
  { notes, faults, began }: { notes: History; faults: Record<string, number>; began: number },
): Promise<JobsVerdict> {
  const jobs = await house.sql<{ id: string; state: number; ran: number }[]>`
    select replace(id::text, '-', '') as id, state, (extract(epoch from created_at) * 1000)::float8 as ran
    from backstay.jobs where name = 'fault.effect'`;
  const effects = await house.sql<{ jobId: string; count: number }[]>`
    select job_id as "jobId", count(*)::int as count from app.effects group by 1`;
  const counts = new Map(effects.map(({ jobId, count }) => [jobId, count]));
  const killedAt = new Map(kills.map(({ pid, at }) => [pid, at]));
  const byJob = attemptsByJob(house);
  let [longestFirstWaitMs, longestWaitAfterKillMs, attemptsKilled] = [0, 0, 0];
  for (const { id, ran } of jobs) {
    const attempts = (byJob.get(id) ?? []).sort((a, b) => a.attempt - b.attempt);
    // An attempt that has a number and no line was killed before it could write one: the wait is one after each of them.
    if (attempts[0]) longestFirstWaitMs = Math.max(longestFirstWaitMs, (attempts[0].at - ran) / attempts[0].attempt);
    for (const [n, { pid, attempt }] of attempts.entries()) {
      const next = attempts[n + 1];
      const killed = killedAt.get(pid);
      if (next === undefined || killed === undefined) continue;
      attemptsKilled++;
      const wait = (next.at - killed) / (next.attempt - attempt);
      if (wait > 30_000) notes.note("waited", { id, wait });
      longestWaitAfterKillMs = Math.max(longestWaitAfterKillMs, wait);
    }
  }
  const verdict: JobsVerdict = {
    seed: plan.seed,
    queue: plan.queue,
    history: notes.file,
    submitted: jobs.length,
    succeeded: jobs.filter(({ state }) => state === 4).length,
    withoutEffect: jobs.filter(({ id }) => !counts.has(id)).length,
    effectsTwice: effects.filter(({ count }) => count > 1).length,
    longestFirstWaitMs: Math.round(longestFirstWaitMs),
    longestWaitAfterKillMs: Math.round(longestWaitAfterKillMs),
    attemptsKilled,
    faults,
    seconds: Math.round((performance.now() - began) / 1000),
  };
  notes.note("verdict", verdict);
  return verdict;
}
