import { setTimeout as pause } from "node:timers/promises";
import { history } from "./history.js";
import { type JobHouse, leaseOf, openJobHouse } from "./job-house.js";
import { type Random, seeded } from "./random.js";

/** How much of it, and how bad. */
export interface CronPlan {
  readonly seed: number;
  /** Seconds, and as many ticks. */
  readonly ticks: number;
  /** Ticks between two faults. */
  readonly every: readonly [least: number, most: number];
  /** How long a server that says nothing keeps its jobs, as the setting says it; as usual when absent. */
  readonly lease?: string;
  /** How long a paused server is paused, in milliseconds. */
  readonly pauseMs: readonly [least: number, most: number];
}

/** What came of it. */
export interface CronVerdict {
  readonly seed: number;
  readonly history: string;
  readonly ticks: number;
  readonly fired: number;
  readonly firedTwice: number;
  readonly missed: string[];
  /** Whether each tick's job was done, and how often its effect is there. */
  readonly done: number;
  readonly effects: number;
  /** The longest from a tick to its job. */
  readonly latestMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const APP = `
import { backend } from "backstay";
const app = backend();
app.cron("fault.tick", "* * * * * *", async (_, ctx) => {
  await ctx.db.run("insert into app.effects (job_id, n, attempt) values ($1, 0, $2)", [ctx.id, ctx.attempt]);
});
await app.start();
`;

const NODES = 3;
/** Within this what was fired is done once nothing breaks any more. */
const SETTLED_MS = 40_000;

/** Has three servers fire a cron each second while one is killed, or paused, just when it ticks; and counts what was fired. */
export async function cronFaults(plan: CronPlan, tell: (text: string) => void): Promise<CronVerdict> {
  const began = performance.now();
  const notes = history("cron", plan.seed);
  notes.note("plan", plan);
  const random = seeded(plan.seed);
  const house = await openJobHouse({ queue: "postgres", nodes: NODES, app: APP, env: leaseOf(plan) }, notes);
  const faults: Record<string, number> = { "kill -9": 0, SIGSTOP: 0 };
  try {
    tell(`three servers; seed ${plan.seed}, history ${notes.file}`);
    const first = Math.ceil(Date.now() / 1000) + 2;
    const last = first + plan.ticks - 1;
    const mending = new Set<Promise<void>>();
    const away = new Set<number>();
    for (let tick = first + random.between(...plan.every); tick < last; tick += random.between(...plan.every)) {
      await pause(tick * 1000 - Date.now() + random.between(-15, 25));
      const there = house.nodes.flatMap((_, which) => (away.has(which) ? [] : [which]));
      // One has to be left.
      if (there.length < 2) continue;
      const which = random.pick(there);
      away.add(which);
      const fault = random.next() < 0.5 ? killed(house, which) : paused(house, which, plan, random);
      faults[fault.name] = faults[fault.name]! + 1;
      notes.note(fault.name, { which, tick });
      const mended = fault.mended.finally(() => {
        away.delete(which);
        mending.delete(mended);
        notes.note("back", { which });
      });
      mending.add(mended);
    }
    await Promise.all(mending);
    await pause(Math.max(0, last * 1000 - Date.now()) + 5_000);
    await settled(house, last);
    const rows = await house.sql<{ tick: number; state: number; late: number; effects: number }[]>`
      select extract(epoch from cron_tick)::float8 as tick, state,
        (extract(epoch from created_at - cron_tick) * 1000)::float8 as late,
        (select count(*)::int from app.effects e where e.job_id = replace(j.id::text, '-', '')) as effects
      from backstay.jobs j where cron_id = 'fault.tick' and cron_tick is not null`;
    const wanted = rows.filter(({ tick }) => tick >= first && tick <= last);
    const fired = new Map<number, number>();
    for (const { tick } of wanted) fired.set(tick, (fired.get(tick) ?? 0) + 1);
    const all = Array.from({ length: plan.ticks }, (_, n) => first + n);
    const verdict: CronVerdict = {
      seed: plan.seed,
      history: notes.file,
      ticks: plan.ticks,
      fired: fired.size,
      firedTwice: [...fired.values()].filter((times) => times > 1).length,
      missed: all.filter((tick) => !fired.has(tick)).map((tick) => new Date(tick * 1000).toISOString()),
      done: wanted.filter(({ state }) => state === 4).length,
      effects: wanted.reduce((sum, row) => sum + row.effects, 0),
      latestMs: Math.round(Math.max(0, ...wanted.map(({ late }) => late))),
      faults,
      seconds: Math.round((performance.now() - began) / 1000),
    };
    notes.note("verdict", verdict);
    return verdict;
  } finally {
    await house.stop();
    notes.flush();
  }
}

/** A job that a killed server had is done by another one when its lease has ended. */
async function settled(house: JobHouse, last: number): Promise<void> {
  const end = performance.now() + SETTLED_MS;
  for (;;) {
    const [row] = await house.sql`select count(*)::int as open from backstay.jobs
      where cron_id = 'fault.tick' and cron_tick <= to_timestamp(${last}) and state in (1, 2, 3)`;
    if (row!.open === 0 || performance.now() > end) return;
    await pause(200);
  }
}

interface Fault {
  readonly name: string;
  readonly mended: Promise<void>;
}

function killed(house: JobHouse, which: number): Fault {
  return { name: "kill -9", mended: house.killNode(which).then(() => house.startNode(which)) };
}

function paused(house: JobHouse, which: number, plan: CronPlan, random: Random): Fault {
  const node = house.nodes[which]!;
  node.signal("SIGSTOP");
  return {
    name: "SIGSTOP",
    mended: pause(random.between(...plan.pauseMs)).then(() => node.signal("SIGCONT")),
  };
}
