import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Folders whose files wait for processes, clocks and faults: begun last, one of them would keep a single worker busy at the end. */
const LONG = /\/tests\/(faults|acceptance|cli|contracts)\//;

/** Runs what takes long first, and the rest as vitest would. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => LONG.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
