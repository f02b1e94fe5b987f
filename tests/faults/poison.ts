import { setTimeout as pause } from "node:timers/promises";
import { history } from "./history.js";
import { openJobHouse } from "./job-house.js";
import { seeded } from "./random.js";

/** How much of it, and where the jobs run. */
export interface PoisonPlan {
  readonly seed: number;
  readonly jobs: number;
  /** How many of them are poison, each kind as often as the others. */
  readonly poison: number;
  readonly isolation: "process" | "thread";
}

/** What came of it. */
export interface PoisonVerdict {
  readonly seed: number;
  readonly isolation: string;
  readonly history: string;
  readonly good: number;
  readonly goodDone: number;
  readonly effectsTwice: number;
  readonly poison: number;
  /** Poison that was given up, with its last error. */
  readonly poisonDead: number;
  readonly mostAttempts: number;
  /** What the dead ones say, by kind. */
  readonly lastErrors: Readonly<Record<string, string>>;
  /** Whether the server that ran them is the one that was started. */
  readonly serverLived: boolean;
  readonly seconds: number;
}

const KINDS = ["throw", "exit", "loop", "gigabyte"] as const;
const MAX_ATTEMPTS = 3;
const WORKERS = 4;
const DONE_WITHIN_MS = 600_000;

const APP = `
import { backend } from "backstay";
const app = backend();
const options = { maxAttempts: ${MAX_ATTEMPTS}, timeout: "3s", backoff: { least: "50ms", most: "100ms" } };
app.job("fault.good", async ({ n }, ctx) => {
  await ctx.db.run("insert into app.effects (job_id, n, attempt) values ($1, $2, $3)", [ctx.id, n, ctx.attempt]);
}, options);
app.job("fault.throw", async () => { throw new Error("poison that throws"); }, options);
app.job("fault.exit", async () => { process.exit(3); }, options);
app.job("fault.loop", async () => { for (;;); }, { ...options, timeout: "1s" });
app.job("fault.gigabyte", async () => {
  const kept = [];
  for (let n = 0; n < 1024; n++) kept.push(new Array(131072).fill(n));
  return kept.length;
}, options);
await app.start();
`;

/** Mixes jobs that end, block or swell what runs them with good ones, and counts what became of each. */
export async function poisonFaults(plan: PoisonPlan, tell: (text: string) => void): Promise<PoisonVerdict> {
  const began = performance.now();
  const notes = history(`poison-${plan.isolation}`, plan.seed);
  notes.note("plan", plan);
  const random = seeded(plan.seed);
  const env = {
    BACKSTAY_JOBS_WORKERS: String(WORKERS),
    BACKSTAY_JOBS_ISOLATION: plan.isolation,
    BACKSTAY_JOBS_MEMORY_MB: "256",
  };
  const house = await openJobHouse({ queue: "postgres", nodes: 1, app: APP, env }, notes);
  try {
    tell(`one server with ${WORKERS} job workers (${plan.isolation}); seed ${plan.seed}, history ${notes.file}`);
    const places = new Set<number>();
    while (places.size < plan.poison) places.add(random.between(0, plan.jobs - 1));
    const kinds = [...places].map((place, n) => [place, KINDS[n % KINDS.length]!] as const);
    const kindAt = new Map<number, string>(kinds);
    const jobs = Array.from({ length: plan.jobs }, (_, n) => ({
      name: `fault.${kindAt.get(n) ?? "good"}`,
      args: { n },
    }));
    for (let at = 0; at < jobs.length; at += 500) await house.submit(jobs.slice(at, at + 500));

    const end = performance.now() + DONE_WITHIN_MS;
    for (;;) {
      const [row] =
        await house.sql`select count(*)::int as open from backstay.jobs where state in (1, 2, 3) and name like 'fault.%'`;
      if (row!.open === 0 || performance.now() > end) break;
      await pause(200);
    }
    const rows = await house.sql<
      { name: string; state: number; attempts: number; lastError: string; effects: number }[]
    >`
      select name, state, attempts, coalesce(last_error, '') as "lastError",
        (select count(*)::int from app.effects e where e.job_id = replace(j.id::text, '-', '')) as effects
      from backstay.jobs j where name like 'fault.%'`;
    const good = rows.filter(({ name }) => name === "fault.good");
    const poison = rows.filter(({ name }) => name !== "fault.good");
    const verdict: PoisonVerdict = {
      seed: plan.seed,
      isolation: plan.isolation,
      history: notes.file,
      good: good.length,
      goodDone: good.filter(({ state, effects }) => state === 4 && effects === 1).length,
      effectsTwice: rows.filter(({ effects }) => effects > 1).length,
      poison: poison.length,
      poisonDead: poison.filter(({ state, lastError }) => state === 5 && lastError !== "").length,
      mostAttempts: Math.max(0, ...rows.map(({ attempts }) => attempts)),
      lastErrors: Object.fromEntries(poison.map(({ name, lastError }) => [name, lastError.split("\n")[0]!])),
      serverLived: house.nodes[0]!.isRunning(),
      seconds: Math.round((performance.now() - began) / 1000),
    };
    notes.note("verdict", verdict);
    return verdict;
  } finally {
    await house.stop();
    notes.flush();
  }
}
