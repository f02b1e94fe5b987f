import { describe, expect, test } from "vitest";
import { methodFacts } from "./architecture/methods.js";
import { generatedDescriptors, root, serverFiles } from "./architecture/project.js";
import { methodRules, sourceRules } from "./architecture/rules.js";
import type { Finding } from "./architecture/source.js";

const files = serverFiles();
const methods = methodFacts(await generatedDescriptors(), root);

describe("the architecture", () => {
  test("has files and methods to look at", () => {
    expect(files).not.toHaveLength(0);
    expect(methods).not.toHaveLength(0);
  });

  test.each(Object.entries(sourceRules))("%s", (_, rule) => holds(rule(files)));
  test.each(Object.entries(methodRules))("%s", (_, rule) => holds(rule(methods)));
});

function holds(findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  const error = new Error(findings.map(({ file, says }) => `${file} ${says}`).join("\n"));
  // Where this file throws helps nobody: the lines above name the place.
  error.stack = "";
  throw error;
}
