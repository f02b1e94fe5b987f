import { type ExecFileException, execFile } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "./project.js";

const LEFT_OUT = ["node_modules", ".git", ".cache", "dist", ".backstay"];

describe("npm run check on a copy of the repository", () => {
  const copy = mkdtempSync(join(tmpdir(), "backstay-faults-"));
  const clean = { code: -1, output: "" };
  const faulty = { code: -1, output: "" };

  beforeAll(async () => {
    copyRepository(copy);
    await releaseAs("v0.0.1", copy);
    Object.assign(clean, await check("lint,breaking,gen", copy));
    await seedFaults(copy);
    Object.assign(faulty, await check("lint,breaking,gen,architecture", copy));
  }, 120_000);
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  test("passes before the faults are seeded, compared with the release", () => {
    expect(clean.output).toContain("against v0.0.1");
    expect(clean).toMatchObject({ code: 0, output: expect.stringContaining("check passed") });
  });

  test("fails with them, naming the steps", () => {
    expect(faulty.code).toBe(1);
    expect(faulty.output).toContain("check failed: lint, breaking, gen, architecture");
  });

  test.each([
    ["a handler that imports drizzle", "server/domains/seeded-a/handler.ts imports drizzle-orm: a handler"],
    ["a service that imports #gen", "server/domains/seeded-a/service.ts imports #gen/backstay/system/v1/system_pb.js:"],
    ["a reach past an index", "imports server/domains/seeded-b/store.ts: reach a domain through its index.ts"],
    ["a ring of domains", "closes a ring of domains: seeded-a -> seeded-b -> seeded-a"],
    ["a domain that says nothing of accounts", "server/domains/seeded-a/index.ts says nothing of `erase`"],
    [
      "a domain that forgets what its table names",
      "server/domains/webhooks/index.ts holds nothing to export, and its schema names accounts",
    ],
    ["a stale file in gen/", "gen/backstay/system/v1/system_pb.ts is not what its proto says: run `npm run gen`"],
    ["an RPC without access", "SystemService.Poke has no option (backstay.options.v1.access)"],
    ["an RPC without a rate class", "SystemService.Poke has no option (backstay.options.v1.rate_class)"],
    ["an RPC without a REST path", "SystemService.Poke has no REST path"],
    ["an RPC without a comment", "SystemService.Poke has no comment above it"],
    ["an RPC without a comment, by buf's lint", 'RPC "Poke" should have a non-empty comment'],
    ["an RPC without a test", "SystemService.Poke has no test tests/domains/system/poke.test.ts"],
    ["a released field that is gone", 'Previously present field "6" with name "read_time" on message "Message"'],
    ["a driver that is loaded late", "server/rpc/seeded.ts imports nats: only files called nats.ts may"],
    ["an implementation that is loaded late", "server/rpc/seeded.ts names the implementation server/platform/nats.ts"],
  ])("names %s", (_, line) => {
    expect(faulty.output).toContain(line);
  });
});

function copyRepository(copy: string): void {
  const top = fileURLToPath(root);
  cpSync(top, copy, { recursive: true, filter: (path) => !LEFT_OUT.includes(basename(path)) });
  symlinkSync(join(top, "node_modules"), join(copy, "node_modules"), "junction");
}

async function releaseAs(tag: string, copy: string): Promise<void> {
  const author = ["-c", "user.name=Seed", "-c", "user.email=seed@example.org", "-c", "commit.gpgsign=false"];
  await run("git", ["init", "--quiet"], copy);
  await run("git", ["add", "proto", "buf.yaml"], copy);
  await run("git", [...author, "commit", "--quiet", "--no-verify", "-m", "Release"], copy);
  await run("git", [...author, "-c", "tag.gpgsign=false", "tag", tag], copy);
}

async function seedFaults(copy: string): Promise<void> {
  const seed = (file: string, text: string) => {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  };
  const edit = (file: string, from: string, to: string) => {
    const text = readFileSync(join(copy, file), "utf8");
    expect(text).toContain(from);
    writeFileSync(join(copy, file), text.replace(from, to));
  };

  seed("server/domains/seeded-a/handler.ts", `import { eq } from "drizzle-orm";`);
  seed(
    "server/domains/seeded-a/service.ts",
    `import "#gen/backstay/system/v1/system_pb.js"; import "../seeded-b/store.js";`,
  );
  edit("server/domains/webhooks/schema.ts", "  seenAt: moment", '  ownerId: id("owner_id"),\n  seenAt: moment');
  seed("server/domains/seeded-b/service.ts", `import "../seeded-a/index.js";`);
  edit(
    "proto/backstay/system/v1/system.proto",
    "service SystemService {",
    "service SystemService {\n  rpc Poke(PingRequest) returns (PingResponse);\n",
  );
  edit("proto/backstay/messages/v1/messages.proto", "  google.protobuf.Timestamp read_time = 6;\n", "");
  seed("server/rpc/seeded.ts", `await import("nats"); await import("../platform/nats.js");`);
  await run(process.execPath, ["tests/check/gen.mjs"], copy);
  appendFileSync(join(copy, "gen/backstay/system/v1/system_pb.ts"), "// edited\n");
}

/** Runs some steps of the copy's check; the process starts elsewhere, because its folder must not matter. */
async function check(only: string, copy: string): Promise<{ code: number; output: string }> {
  return await run(process.execPath, [join(copy, "tests/check/check.mjs"), "--only", only], tmpdir());
}

function run(command: string, args: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd }, (error: ExecFileException | null, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1);
      resolve({ code, output: stdout + stderr });
    });
  });
}
