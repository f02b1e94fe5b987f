import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DomainError, REASONS, type Reason } from "../server/kernel/errors.js";
import { httpStatus } from "../server/rpc/wire-errors.js";

const root = new URL("..", import.meta.url);
const page = readFileSync(new URL("docs/errors.md", root), "utf8");
const reasons = Object.entries(REASONS) as [Reason, (typeof REASONS)[Reason]][];

it("docs/errors.md lists every reason with its code, HTTP status and meaning, in the order of the code", () => {
  const listed = page.split("\n").filter((line) => /^\| `[A-Z0-9_]+` \|/.test(line));
  const known = reasons.map(
    ([reason, [kind, meaning]]) =>
      `| \`${reason}\` | \`${kind}\` | ${httpStatus(new DomainError(reason))} | ${meaning} |`,
  );
  expect(listed).toEqual(known);
});

it("every reason is one that the server gives", () => {
  const files = readdirSync(new URL("server", root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && file !== "kernel/errors.ts")
    .map((file) => readFileSync(new URL(`server/${file}`, root), "utf8"));
  const given = new Set(files.join("\n").match(/"[A-Z][A-Z0-9_]+"/g));
  expect(reasons.map(([reason]) => reason).filter((reason) => !given.has(`"${reason}"`))).toEqual([]);
});

it("every reason that the contract's comments promise is in the table", () => {
  const files = readdirSync(new URL("proto", root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".proto"))
    .map((file) => readFileSync(new URL(`proto/${file}`, root), "utf8"));
  // Codes of gRPC stand without backquotes.
  const promised = files.join("\n").match(/`[A-Z]+(_[A-Z]+)+`/g) ?? [];
  expect(promised.length).toBeGreaterThan(10);
  expect(promised.filter((name) => !(name.slice(1, -1) in REASONS))).toEqual([]);
});
