import { expect, it } from "vitest";
import { realtimeFaults } from "./realtime.js";

// The short form of `npm run faults -- realtime`.
it("loses, repeats and mixes up nothing while NATS stops and is wiped, lines break and a node dies", async () => {
  const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const verdict = await realtimeFaults(
    { seed, events: 3_000, clients: 20, accounts: 10, rate: 300, outageMs: 3_000, cutEveryMs: [200, 800] },
    () => {},
  );
  expect(verdict, `seed ${seed}`).toMatchObject({
    lost: 0,
    duplicated: 0,
    reordered: 0,
    wrongInNats: 0,
    complaints: [],
  });
  expect(verdict.delivered).toBe(6_000);
  expect(verdict.breaks).toBeGreaterThan(0);
}, 120_000);
