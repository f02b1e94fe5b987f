import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cleanUp, run } from "../acceptance/server-process.js";

interface Vector {
  name: string;
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
const { cases: vectors } = JSON.parse(readFileSync(file, "utf8")) as { cases: Vector[] };

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

it("judges all 108 cases of the vectors as the predecessor did, each by its dialect and transport", () => {
  expect(judged).toMatchObject({ code: 0, stderr: "" });
  expect(judged.verdicts).toHaveLength(108);
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
  expect(of("v2-session").canonical).toBe("2\n\nuser1@example.com\n*\nexample.com\n/\n*\n4102444800000\n*\n*\n");
  expect(of("093-v2-session").canonical).toBe("*\nexample.com\n/\n*\n4102444800000\n*\n*\n");
  expect(of("v3-token-in-header").reason).toMatch(/^SIGNATURE_VERSION: /);
});

it("answers a line it cannot read with a reason, goes on, and ends well", async () => {
  const expired = { header: "4||ada|x|1||", login: "ada", secret: "s", name: "old" };
  const unknown = ['{"transport":"cookie"}', '{"dialect":"2.x"}'];
  const wrong = ["not JSON", "[]", '{"header":5}', '{"now":"later"}', ...unknown];
  const odd = [...wrong, "", JSON.stringify(expired), '{"name":"empty"}'];
  const { verdicts, code } = await check(odd);
  expect(code).toBe(0);
  expect(verdicts.map(({ name, valid }) => [name, valid])).toEqual([
    ...Array.from({ length: wrong.length }, () => ["", false]),
    ["old", false],
    ["empty", false],
  ]);
  expect(verdicts.every(({ reason }) => reason !== "")).toBe(true);
});
