import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("npm test", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "backstay-run-"));
    for (const file of ["package.json", "tests/run.mjs", "tests/support/reporter.ts"]) {
      cpSync(join(root, file), join(folder, file));
    }
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    write("tests/vitest.config.ts", `export default { test: { include: ["tests/*.test.ts"] } };`);
    // Built after its source, so there is nothing to build.
    write("client-sdk/tsconfig.build.json", "{}");
    write("client-sdk/src/index.ts", "");
    write("client-sdk/dist/index.js", "");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("ends with the count when all tests pass", async () => {
    writeTest("good", `test("a", () => {}); test("b", () => {});`);
    expect(await npmTest()).toEqual({ code: 0, lastLine: "2 passed, 0 failed" });
  });

  test("counts failures, skipped tests and files that do not load", async () => {
    writeTest("mixed", `test("a", () => {}); test("b", () => expect(1).toBe(2)); test.skip("c", () => {});`);
    writeTest("broken", `import "./nowhere.js"; test("d", () => {});`);
    expect(await npmTest()).toEqual({ code: 1, lastLine: "1 passed, 2 failed, 1 skipped" });
  });

  test("passes its arguments on", async () => {
    writeTest("good", `test("a", () => {});`);
    writeTest("bad", `test("b", () => expect(1).toBe(2));`);
    expect(await npmTest("tests/good.test.ts")).toEqual({ code: 0, lastLine: "1 passed, 0 failed" });
  });

  test("fails when nothing ran", async () => {
    writeTest("good", `test("a", () => {});`);
    expect(await npmTest("-t", "no such test")).toEqual({ code: 1, lastLine: "0 passed, 0 failed, 1 skipped" });
  });

  test("demands every backend in CI", async () => {
    writeTest("good", `test("a", () => expect(process.env.BACKSTAY_TEST_REQUIRE_BACKENDS).toBe("1"));`);
    expect(await npmTest()).toMatchObject({ lastLine: "1 passed, 0 failed" });
  });

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  function writeTest(name: string, text: string): void {
    write(`tests/${name}.test.ts`, `import { expect, test } from "vitest";\n${text}`);
  }

  function npmTest(...args: string[]): Promise<{ code: number; lastLine: string | undefined }> {
    const outer = Object.entries(process.env).filter(([key]) => !key.startsWith("VITEST"));
    const env = { ...Object.fromEntries(outer), CI: "1" };
    return new Promise((resolve) => {
      execFile(process.execPath, ["tests/run.mjs", ...args], { cwd: folder, env }, (error, stdout) => {
        resolve({ code: error === null ? 0 : Number(error.code), lastLine: stdout.trimEnd().split("\n").at(-1) });
      });
    });
  }
});
