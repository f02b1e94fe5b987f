/**
 * `npm test`: builds the client when it is older than its source and runs the tests; arguments go on to vitest. The last
 * line of the output is the count, `N passed, N failed` (and `, N skipped` when there are any).
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const vitest = join(root, "node_modules/vitest/vitest.mjs");

process.exitCode = await main(process.argv.slice(2));

async function main(args) {
  const missing = missingPrerequisite();
  if (missing) return refuse(missing);
  if (clientIsStale() && (await run("npm", ["run", "-s", "build"], { shell: process.platform === "win32" })) !== 0) {
    return refuse("the client package does not build");
  }
  const folder = mkdtempSync(join(tmpdir(), "backstay-counts-"));
  try {
    return await runTests(args, join(folder, "counts.json"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runTests(args, countsFile) {
  const reporters = ["--reporter", "default", "--reporter", "tests/support/reporter.ts"];
  const code = await run(
    process.execPath,
    [vitest, "run", "--config", "tests/vitest.config.ts", ...reporters, ...args],
    {
      env: { ...process.env, ...requiredBackends(), BACKSTAY_TEST_COUNTS: countsFile },
    },
  );
  const { passed, failed, skipped } = countsOf(countsFile);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  if (code !== 0) return code;
  return failed > 0 || passed === 0 ? 1 : 0;
}

/** On a developer's machine a backend that is not there is skipped with its reason; in CI that is a failure. */
function requiredBackends() {
  return process.env.CI ? { BACKSTAY_TEST_REQUIRE_BACKENDS: "1" } : {};
}

function countsOf(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { passed: 0, failed: 0, skipped: 0 };
}

function missingPrerequisite() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    return `Node 20.19 or newer is needed, this is ${process.versions.node}`;
  return existsSync(vitest) ? undefined : "nothing is installed: run `npm ci` first";
}

/** Tests of the client use what would be published. */
function clientIsStale() {
  const sdk = join(root, "client-sdk");
  const sources = [join(sdk, "tsconfig.build.json"), ...filesIn(join(sdk, "src"))];
  const built = existsSync(join(sdk, "dist/index.js")) ? filesIn(join(sdk, "dist")) : [];
  return newest(built) < newest(sources);
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function newest(files) {
  return Math.max(0, ...files.map((file) => statSync(file).mtimeMs));
}

/** The exit code; a signal to us goes on to the child, whose set-up has servers to stop. */
function run(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => resolve(refuse(error.message)));
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

function refuse(reason) {
  console.error(`test: ${reason}`);
  console.log("0 passed, 0 failed");
  return 1;
}
