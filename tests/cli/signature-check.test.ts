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

/** Judges the lines, or a text as it is, in a process of its own. */
async function check(given: string[] | string): Promise<{ verdicts: Verdict[]; code: number | null; stderr: string }> {
  const command = run(["signature", "check"], { input: typeof given === "string" ? given : `${given.join("\n")}\n` });
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

it("reads the file of the vectors as it is", async () => {
  expect(await check(readFileSync(file, "utf8"))).toEqual(judged);
});

it("takes the line that its help and its page show", async () => {
  const command = run(["signature", "check", "--help"]);
  expect(await command.exit).toMatchObject({ code: 0 });
  const example = command.lines().find((line) => line.startsWith("{"))!;
  const page = readFileSync(new URL("../../docs/signatures.md", import.meta.url), "utf8");
  expect(page.split("\n")).toContain(example);
  expect(await check([example])).toMatchObject({ code: 0, verdicts: [{ valid: true, reason: "" }] });
});

it("answers a line it cannot read with a reason, goes on, and exits with 1", async () => {
  const needed = { header: "4||ada|x|1||", login: "ada", secret: "s", host: "example.com" };
  const { host, secret, ...less } = needed;
  const wrong: [line: string, why: RegExp][] = [
    ["not JSON", /JSON/],
    ["[5]", /expected a JSON object/],
    ["{}", /: header, login, secret, host missing$/],
    [JSON.stringify(less), /: secret, host missing$/],
    [JSON.stringify({ ...needed, header: 5 }), /header must be text/],
    [JSON.stringify({ ...needed, now: "later" }), /now must be a number/],
    [JSON.stringify({ ...needed, transport: "cookie" }), /transport must be one of header, /],
    [JSON.stringify({ ...needed, dialect: "2.x" }), /dialect must be one of 1.x, /],
  ];
  const { verdicts, code } = await check([
    ...wrong.map(([line]) => line),
    "",
    JSON.stringify({ ...needed, name: "old" }),
  ]);
  expect(code).toBe(1);
  expect(verdicts).toEqual([
    ...wrong.map(([_, why]) => ({ name: "", valid: false, reason: expect.stringMatching(why), canonical: "" })),
    { name: "old", valid: false, reason: expect.stringMatching(/^SIGNATURE_EXPIRED: /), canonical: expect.any(String) },
  ]);
});
