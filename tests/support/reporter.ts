import { writeFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

/** The counts of a run, as tests/run.mjs prints them. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Writes the counts of the run to the file that BACKSTAY_TEST_COUNTS names. */
export default class CountsReporter implements Reporter {
  onTestRunEnd(...[modules, unhandledErrors]: Parameters<NonNullable<Reporter["onTestRunEnd"]>>): void {
    const file = process.env.BACKSTAY_TEST_COUNTS;
    if (!file) return;
    const states = modules.flatMap((module) => Array.from(module.children.allTests(), (test) => test.result().state));
    const count = (state: (typeof states)[number]) => states.filter((one) => one === state).length;
    // What breaks outside of a test (a file that does not load, a hook, a stray rejection) is a failure like any other.
    const outside = modules.reduce((sum, module) => sum + errorsOf(module), unhandledErrors.length);
    const counts: Counts = { passed: count("passed"), failed: count("failed") + outside, skipped: count("skipped") };
    writeFileSync(file, JSON.stringify(counts));
  }
}

type Module = Parameters<NonNullable<Reporter["onTestRunEnd"]>>[0][number];

function errorsOf(module: Module): number {
  const suites = Array.from(module.children.allSuites(), (suite) => suite.errors().length);
  return suites.reduce((sum, errors) => sum + errors, module.errors().length);
}
