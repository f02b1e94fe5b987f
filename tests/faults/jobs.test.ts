import { expect, it } from "vitest";
import { cronFaults } from "./cron.js";
import { jobFaults } from "./jobs.js";
import { poisonFaults } from "./poison.js";

// The short forms of `npm run faults -- jobs` and `-- cron`.

const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const QUIET = () => {};

it.each(["postgres", "nats"] as const)(
  "does each of 500 jobs once on %s while its servers are killed",
  async (queue) => {
    const plan = { seed, queue, jobs: 500, rate: 50, kills: 5, outageMs: 1_500, killEveryMs: [500, 2_500] } as const;
    const verdict = await jobFaults(plan, QUIET);
    expect(verdict, `seed ${seed}`).toMatchObject({
      submitted: 500,
      succeeded: 500,
      withoutEffect: 0,
      effectsTwice: 0,
    });
    expect(verdict.longestWaitAfterKillMs, `seed ${seed}`).toBeLessThanOrEqual(30_000);
  },
  180_000,
);

it("fires each of 20 ticks once while servers are killed and paused just then", async () => {
  const verdict = await cronFaults({ seed, ticks: 20, every: [2, 5], pauseMs: [2_000, 6_000] }, QUIET);
  expect(verdict, `seed ${seed}`).toMatchObject({ fired: 20, firedTwice: 0, missed: [], done: 20, effects: 20 });
}, 120_000);

it.each(["process", "thread"] as const)(
  "gives poison up and does the rest, each job in a %s of its own",
  async (isolation) => {
    const verdict = await poisonFaults({ seed, isolation, jobs: 200, poison: 4 }, QUIET);
    expect(verdict, `seed ${seed}`).toMatchObject({ goodDone: 196, effectsTwice: 0, poisonDead: 4, serverLived: true });
    expect(verdict.mostAttempts).toBeLessThanOrEqual(3);
  },
  180_000,
);
