import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as client from "@backstay/client";
import { afterAll, expect, it } from "vitest";

const ROOT = new URL("..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "backstay-examples-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const docs = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
const PAGES = ["README.md", "client-sdk/README.md", ...docs.map((name) => `docs/${name}`)];

const CLIENT = 'import("@backstay/client").BackstayClient';
const BACKEND = 'import("backstay").Backend';
const WHATEVER = "(...given: unknown[]) => Promise<void>";

/** What examples speak of and do not declare, with its type. */
const ABOUT: Record<string, string> = {
  app: CLIENT,
  client: CLIENT,
  ...Object.fromEntries(["peerId", "recipientId", "friendId", "accountId", "ben", "id", "stored"].map(as("string"))),
  ...Object.fromEntries(["save", "show", "showStatus", "handle", "loadEverythingAfresh", "loadUser"].map(as(WHATEVER))),
  isMember: "(accountId: string | undefined, room: string | undefined) => Promise<boolean>",
  signal: "AbortSignal",
};

/** The same of single pages: whose examples go on where the one before ends. */
const ABOUT_PAGE: Record<string, Record<string, string>> = {
  "client-sdk/README.md": Object.fromEntries(
    Object.keys(client).map((name) => [name, `typeof import("@backstay/client").${name}`]),
  ),
  "docs/jobs.md": { app: BACKEND },
  "docs/access.md": { backend: `() => ${BACKEND}` },
};

function as(type: string) {
  return (name: string): [string, string] => [name, type];
}

/** Writes down each example of a page as a module of its own, each in the line where it stands in the page. */
function writeExamples(page: string): number {
  const text = readFileSync(join(ROOT, page), "utf8");
  const found = [...text.matchAll(/^```ts\n(.*?)^```$/gms)];
  for (const { index, 1: code } of found) {
    const before = text.slice(0, index).split("\n").length;
    const file = join(folder, page, `line-${before}.ts`);
    const about = Object.entries({ ...ABOUT, ...ABOUT_PAGE[page] })
      .filter(([name]) => !new RegExp(`^(const|import) [^=;]*\\b${name}\\b`, "m").test(code!))
      .map(([name, type]) => `declare const ${name}: ${type};`);
    mkdirSync(join(folder, page), { recursive: true });
    writeFileSync(file, `${"\n".repeat(before - 1)}export {};${about.join(" ")}\n${code}`);
  }
  return found.length;
}

it("type-checks every example in TypeScript of README.md and docs", async () => {
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const compilerOptions = {
    target: "es2023",
    lib: ["es2024", "dom", "dom.iterable", "dom.asynciterable"],
    module: "nodenext",
    customConditions: ["backstay-source"],
    types: ["node"],
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    paths: { backstay: [join(ROOT, "server/backend/index.d.mts")] },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["**/*.ts"] }));
  const count = PAGES.map(writeExamples).reduce((sum, found) => sum + found);
  expect(count).toBeGreaterThan(20);
  const errors = await new Promise<string>((resolve) => {
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    execFile(tsc, ["-p", folder, "--pretty", "false"], { cwd: folder }, (_, stdout) => resolve(stdout));
  });
  expect(errors).toBe("");
});
