import { expect, it } from "vitest";
import { cronFaults } from "./cron.js";
import { jobFaults } from "./jobs.js";
import { poisonFaults } from "./poison.js";

// The short forms of `npm run faults -- jobs` and `-- cron`.

const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
const QUIET = () => {};
/** What a killed server had is done by another when its lease has ended. */
const LEASE = "5s";

it.each(["postgres", "nats"] as const)(
  "does each of 240 jobs once on %s while its servers are killed",
  async (queue) => {
    const bad = { kills: 3, outageMs: 1_000, killEveryMs: [500, 2_000], lease: LEASE } as const;
    const verdict = await jobFaults({ seed, queue, jobs: 240, rate: 40, ...bad }, QUIET);
    expect(verdict, `seed ${seed}`).toMatchObject({
      submitted: 240,
      succeeded: 240,
      withoutEffect: 0,
      effectsTwice: 0,
    });
    expect(verdict.longestWaitAfterKillMs, `seed ${seed}`).toBeLessThanOrEqual(30_000);
  },
  180_000,
);

it("fires each of 12 ticks once while servers are killed and paused just then", async () => {
  const verdict = await cronFaults({ seed, ticks: 12, every: [2, 4], pauseMs: [2_000, 6_000], lease: LEASE }, QUIET);
  expect(verdict, `seed ${seed}`).toMatchObject({ fired: 12, firedTwice: 0, missed: [], done: 12, effects: 12 });
}, 180_000);

it.each(["process", "thread"] as const)(
  "gives poison up and does the rest, each job in a %s of its own",
  async (isolation) => {
    const verdict = await poisonFaults({ seed, isolation, jobs: 100, poison: 4 }, QUIET);
    expect(verdict, `seed ${seed}`).toMatchObject({ goodDone: 96, effectsTwice: 0, poisonDead: 4, serverLived: true });
    expect(verdict.mostAttempts).toBeLessThanOrEqual(3);
  },
  180_000,
);
