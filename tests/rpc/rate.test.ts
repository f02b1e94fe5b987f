import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBackstay, type TestBackstay } from "../support/backstay.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "on" });
});
afterAll(() => backstay.stop());

const reasonOf = (json: Record<string, unknown>) =>
  (json.details as { debug: { reason?: string } }[]).map(({ debug }) => debug.reason)[0];

it("secrets are compared thirty times a minute for one address, and then it is told when to come back", async () => {
  const guess = () => call(backstay.url, "auth.v1.AuthService/SignIn", { login: "nobody", secret: "a guess" });
  const answers = [];
  // The budget grows by one in two seconds, so that on a slow machine a few more get through.
  do answers.push(await guess());
  while (answers.length < 60 && answers.at(-1)!.status === 401);
  expect(answers.slice(0, 30).every(({ json }) => reasonOf(json) === "INVALID_CREDENTIALS")).toBe(true);
  const last = answers.at(-1)!;
  expect([last.status, reasonOf(last.json)]).toEqual([429, "RATE_LIMITED"]);
  expect(JSON.stringify(last.json)).toMatch(/"retryDelay":"[0-9.]+s"/);
});

it("tokens that are refused are counted too, before they cost the database anything", async () => {
  const refused = async () => {
    const authorization = `Bearer bs_at_${randomBytes(32).toString("base64url")}`;
    return reasonOf((await call(backstay.url, "auth.v1.AuthService/GetCurrent", {}, { authorization })).json);
  };
  const reasons: unknown[] = [];
  for (let n = 0; n < 14; n++) reasons.push(...(await Promise.all(Array.from({ length: 50 }, refused))));
  expect(reasons.slice(0, 500).every((reason) => reason === "INVALID_TOKEN")).toBe(true);
  expect(reasons).toContain("RATE_LIMITED");
});
