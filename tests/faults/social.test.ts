import { expect, it } from "vitest";
import { socialFaults } from "./social.js";

// The short form of `npm run faults -- social`.
it("keeps what it has acknowledged, and keeps it whole, while the server and its database are killed", async () => {
  const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  const plan = { seed, rounds: 2, operations: 1_000, accounts: 16, databaseEvery: 2 };
  const verdict = await socialFaults(plan, () => {});
  expect(verdict, `seed ${seed}`).toMatchObject({ complaints: [] });
  expect(verdict.unanswered).toBeGreaterThan(0);
  expect(verdict.acknowledged).toBeGreaterThan(500);
}, 120_000);
