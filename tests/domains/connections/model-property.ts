import { afterAll, beforeAll, expect, it } from "vitest";
import { fc } from "../../support/properties.js";
import type { ModelHouse } from "./model-house.js";
import { runSequence, sequence } from "./model-sequences.js";
import { runWaves, waves } from "./model-waves.js";

/** MODEL_RUNS asks for more of them, for as long as that takes; PROPERTY_SEED and MODEL_PATH repeat what has failed. */
const { MODEL_RUNS, MODEL_PATH } = process.env;
const MOST_MS = MODEL_RUNS === undefined ? 5_000 : 3_600_000;
/** So long it is looked for something smaller that fails, in milliseconds. */
const SHRINKING_MS = 30_000;

/** The two properties of the social graph, on a server that `open` starts. */
export function holdsOn(open: () => Promise<ModelHouse>): void {
  let house: ModelHouse;
  beforeAll(async () => {
    house = await open();
  });
  afterAll(() => house.stop());

  it(
    "answers, lists, counts and tells what the model does, one after the other",
    { timeout: MOST_MS + 3 * SHRINKING_MS },
    () => holds(sequence, 120, (steps) => runSequence(house, steps)),
  );

  it(
    "keeps references, counters and rows together, and refuses nobody, all at once",
    { timeout: MOST_MS + 3 * SHRINKING_MS },
    () => holds(waves, 80, (all) => runWaves(house, all)),
  );
}

/** Tries a property so often, or until the time is over. What failed is told with its seed, and as small as it gets in time. */
async function holds<T>(drawn: fc.Arbitrary<T>, runs: number, check: (value: T) => Promise<void>): Promise<void> {
  let end = performance.now() + MOST_MS;
  let tried = 0;
  let hasFailed = false;
  const property = fc.asyncProperty(drawn, async (value) => {
    if (performance.now() > end) return;
    tried++;
    try {
      await check(value);
    } catch (error) {
      if (!hasFailed) end = performance.now() + SHRINKING_MS;
      hasFailed = true;
      throw error;
    }
  });
  await fc.assert(property, {
    numRuns: Number(MODEL_RUNS ?? runs),
    ...(MODEL_PATH !== undefined && { path: MODEL_PATH }),
  });
  expect(tried).toBeGreaterThan(0);
}
