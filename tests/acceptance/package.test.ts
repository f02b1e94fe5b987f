import { execFile } from "node:child_process";
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, it, vi } from "vitest";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { type Backstay, cleanUp, makeHome, run as start } from "./server-process.js";

// What a user does: installs the packages into an empty folder, and runs the example there.

vi.setConfig({ testTimeout: 60_000, hookTimeout: 240_000 });

const run = promisify(execFile);
const ROOT = new URL("../..", import.meta.url).pathname;
const EXAMPLE = join(ROOT, "examples/chat");

interface Packed {
  filename: string;
  size: number;
  files: { path: string }[];
}

let folder: string;
let packed: { backstay: Packed; client: Packed };
let data: TestDatabase;
beforeAll(async () => {
  folder = await makeHome();
  // What is packed is what was built; building it anew would pull it from under other tests.
  packed = { backstay: await pack(["--ignore-scripts"]), client: await pack(["--workspace", "client-sdk"]) };
  writeFileSync(join(folder, "package.json"), '{"name":"my-app","private":true,"type":"module"}');
  const archives = [packed.backstay, packed.client].map(({ filename }) => join(folder, filename));
  await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...archives], { cwd: folder });
  for (const name of ["app.ts", "try.mjs"]) copyFileSync(join(EXAMPLE, name), join(folder, name));
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
});
afterAll(async () => {
  await cleanUp();
  await data?.drop();
});

async function pack(words: string[]): Promise<Packed> {
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder, ...words], { cwd: ROOT });
  return (JSON.parse(stdout) as [Packed])[0];
}

/** Walks through the example with the installed client. */
async function tryOut(server: Backstay): Promise<unknown[]> {
  const ready = await server.line((line) => line.startsWith("backstay ready "));
  const { setupUrl } = JSON.parse(server.lines()[0]!) as { setupUrl: string };
  const words = ["try.mjs", ready.slice("backstay ready ".length), setupUrl.split("#")[1]!];
  const { stdout } = await run(process.execPath, words, { cwd: folder, timeout: 30_000 });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

const WALK = [
  { what: "present", ada: true },
  { what: "line", text: "Hello Ada" },
  { what: "waved", byBen: true },
  { what: "refused", status: 400 },
  { what: "banned", eventId: "string" },
  { what: "ended", reason: "TOPIC_FORBIDDEN" },
];

it("packs what runs and nothing else", () => {
  const files = packed.backstay.files.map(({ path }) => path);
  expect(files).toEqual(expect.arrayContaining(["server/cli/bin.mjs", "server/backend/index.d.mts", "LICENSE"]));
  expect(files).toEqual(expect.arrayContaining(["docs/deploy/README.md", "docs/deploy/backstay@.service"]));
  const others = /^(?!server\/|gen\/|docs\/deploy\/|package\.json$|README\.md$|LICENSE$)|_snapshot\.json$|\.test\./;
  expect(files.filter((file) => others.test(file))).toEqual([]);
  expect(packed.backstay.size).toBeLessThan(900_000);
});

it("types the example for the user's own compiler, which looks into every declaration", async () => {
  const compilerOptions = { module: "nodenext", target: "es2022", strict: true, noEmit: true, types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts"] }));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  expect((await run(process.execPath, [tsc, "-p", folder])).stdout).toBe("");

  const wrong = readFileSync(join(folder, "app.ts"), "utf8").replace("presence: true", 'presence: "yes"');
  writeFileSync(join(folder, "wrong.ts"), wrong);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["wrong.ts"] }));
  await expect(run(process.execPath, [tsc, "-p", folder])).rejects.toMatchObject({
    stdout: expect.stringContaining("wrong.ts"),
  });
});

it("runs the example by `backstay dev`, on the embedded database", async () => {
  const backstay = join(folder, "node_modules/.bin/backstay");
  const words = ["dev", "--port", "0", "--no-demo"];
  const server = start(words, { cwd: folder, executable: backstay, program: [] });
  expect(await tryOut(server)).toEqual(WALK);
  server.signal("SIGTERM");
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

it("runs it by itself under the user's own tsx", async () => {
  const server = start([], {
    cwd: folder,
    // Not the `tsx` command: that one kills a program which does not take up the SIGTERM within 60 ms.
    program: ["--import", "tsx", "app.ts"],
    env: { DATABASE_URL: data.url, BACKSTAY_PORT: "0", BACKSTAY_HOME: join(folder, ".backstay") },
  });
  await server.line((line) => line.startsWith("backstay ready "));
  server.signal("SIGTERM");
  expect(await server.exit).toEqual({ code: 0, signal: null });
});

it("runs it by itself, as plain JavaScript", async () => {
  renameSync(join(folder, "app.ts"), join(folder, "app.js"));
  const server = start([], {
    cwd: folder,
    program: ["app.js"],
    env: { DATABASE_URL: data.url, BACKSTAY_PORT: "0", BACKSTAY_HOME: join(folder, ".backstay") },
  });
  expect(await tryOut(server)).toEqual(WALK);
  server.signal("SIGTERM");
  expect(await server.exit).toEqual({ code: 0, signal: null });
});
