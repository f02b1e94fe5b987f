import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cleanUp, run } from "../acceptance/server-process.js";

interface Vector {
  name: string;
  dialect: string;
  version: number;
  valid: boolean;
  why?: string;
  realStatus?: number;
}

interface Verdict {
  name: string;
  valid: boolean;
  reason: string;
  canonical: string;
}

const file = new URL("../vectors/signature.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Vector[] };
const vectors = cases.filter(({ dialect, version }) => dialect === "1.x" && version === 4);

/** Judges the lines in a process of its own. */
async function check(lines: string[]): Promise<{ verdicts: Verdict[]; code: number | null; stderr: string }> {
  const command = run(["signature", "check"], { input: `${lines.join("\n")}\n` });
  const { code } = await command.exit;
  return { verdicts: command.lines().map((line) => JSON.parse(line)), code, stderr: command.stderr() };
}

let judged: Awaited<ReturnType<typeof check>>;
beforeAll(async () => {
  judged = await check(vectors.map(({ valid, why, realStatus, ...given }) => JSON.stringify(given)));
});
afterAll(cleanUp);

it("judges every version 4 case of the vectors as the predecessor did", () => {
  expect(judged).toMatchObject({ code: 0, stderr: "" });
  const verdicts = judged.verdicts.map(({ name, valid }) => [name, valid]);
  expect(verdicts).toEqual(vectors.map(({ name, valid }) => [name, valid]));
});

it("shows what is to be signed, and why a signature is refused", () => {
  const of = (name: string) => judged.verdicts.find((verdict) => verdict.name === name)!;
  expect(of("v4-tag")).toEqual({
    name: "v4-tag",
    valid: true,
    reason: "",
    canonical: "4\nmyapp/1.0\nuser1@example.com\nGET\napi.example.com\n/t\na=1\n4102444800000\n\n\n",
  });
  expect(of("v4-query-value-tampered").reason).toMatch(/^INVALID_SIGNATURE: /);
  expect(of("v4-query-value-tampered").canonical).toContain("\nid=2\n");
  expect(of("v4-json-body-tampered").reason).toMatch(/^CHECKSUM_MISMATCH: /);
  expect(of("v4-expires-in-seconds").reason).toMatch(/^SIGNATURE_EXPIRED: /);
  expect(of("v4-garbage").reason).toMatch(/^MALFORMED_SIGNATURE: /);
});

it("answers a line it cannot read with a reason, goes on, and ends well", async () => {
  const expired = { header: "4||ada|x|1||", login: "ada", secret: "s", name: "old" };
  const odd = ["not JSON", "[]", '{"header":5}', '{"now":"later"}', "", JSON.stringify(expired), '{"name":"empty"}'];
  const { verdicts, code } = await check(odd);
  expect(code).toBe(0);
  expect(verdicts.map(({ name, valid }) => [name, valid])).toEqual([
    ...Array.from({ length: 4 }, () => ["", false]),
    ["old", false],
    ["empty", false],
  ]);
  expect(verdicts.every(({ reason }) => reason !== "")).toBe(true);
});
