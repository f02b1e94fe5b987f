import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { createDatabaseOn } from "../../support/postgres.js";
import { curlRefused, openDatabase, operator, refused, testClock, upTo } from "../support.js";

const invalid = { code: "unauthenticated", reason: "INVALID_TOKEN", fields: [] };
const admin = { login: "admin", secret: "correct horse", name: "The admin" };

async function start(...args: Parameters<typeof startBackstay>): Promise<TestBackstay> {
  const backstay = await startBackstay(...args);
  onTestFinished(() => backstay.stop());
  return backstay;
}

function tokenOf({ setupUrl, url }: TestBackstay): string {
  expect(setupUrl?.startsWith(`${url}/setup#bs_st_`)).toBe(true);
  return setupUrl!.slice(setupUrl!.indexOf("#") + 1);
}

const complete = (backstay: TestBackstay, setupToken: string, more: object = {}) =>
  backstay.anonymous().auth.completeSetup({ setupToken, ...admin, ...more });

it("makes the first administrator by the token of the link, once, who can sign in; no error shows it", async () => {
  const backstay = await start();
  const token = tokenOf(backstay);
  const { account } = await complete(backstay, token);
  expect(account).toMatchObject({ login: "admin", name: "The admin", alias: "The admin", roles: ["admin"] });
  const client = backstay.anonymous();
  await client.auth.signIn(admin);
  expect((await client.auth.getCurrent()).roles).toEqual(["admin"]);

  expect(await refused(complete(backstay, token, { login: "second" }))).toEqual(invalid);
  const answer = await curlRefused(backstay, "auth.v1.AuthService/CompleteSetup", { setupToken: token, ...admin });
  expect(JSON.stringify(answer)).not.toContain(token.slice(6));
});

it("works also where registration is closed", async () => {
  const backstay = await start({ "accounts.open_registration": "off" });
  expect((await complete(backstay, tokenOf(backstay))).account?.roles).toEqual(["admin"]);
});

it("works once for ten at the same time", async () => {
  const backstay = await start();
  const token = tokenOf(backstay);
  const outcomes = await Promise.all(
    upTo(10).map((n) =>
      complete(backstay, token, { login: `admin ${n}` }).then(
        () => "made",
        (error) => error.reason,
      ),
    ),
  );
  expect(outcomes.sort()).toEqual([...Array(9).fill("INVALID_TOKEN"), "made"]);
  const sql = openDatabase(backstay);
  expect(await sql`select id from backstay.accounts`).toHaveLength(1);
});

it("is not used up by a request that is refused for another reason", async () => {
  const backstay = await start({ "auth.secret_min_length": "8" });
  await backstay.signUp("taken");
  const token = tokenOf(backstay);
  expect(await refused(complete(backstay, token, { secret: "short" }))).toMatchObject({ reason: "SECRET_TOO_SHORT" });
  expect(await refused(complete(backstay, token, { login: "TAKEN" }))).toMatchObject({ reason: "LOGIN_TAKEN" });
  expect(await refused(complete(backstay, token, { login: " x" }))).toMatchObject({ reason: "INVALID_LOGIN" });
  expect((await complete(backstay, token)).account?.login).toBe("admin");
});

describe("a token that is none of the link's", () => {
  let backstay: TestBackstay;
  beforeAll(async () => {
    backstay = await startBackstay();
  });
  afterAll(() => backstay?.stop());

  it.each([
    ["is unknown", `bs_st_${"A".repeat(43)}`],
    ["is of another kind", `bs_at_${"A".repeat(43)}`],
    ["is no token at all", "setup"],
  ])("is refused when it %s", async (_, token) => {
    expect(await refused(complete(backstay, token))).toEqual(invalid);
  });

  it("is refused when it is empty, naming the field", async () => {
    expect(await refused(complete(backstay, ""))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["setupToken"],
    });
  });
});

it("is refused 30 minutes after the start", async () => {
  const clock = testClock();
  const backstay = await start({}, { overrides: { clock } });
  clock.advance(30 * 60_000);
  expect(await refused(complete(backstay, tokenOf(backstay)))).toEqual(invalid);
});

it("works until 30 minutes after the start", async () => {
  const clock = testClock();
  const backstay = await start({}, { overrides: { clock } });
  clock.advance(30 * 60_000 - 1);
  expect((await complete(backstay, tokenOf(backstay))).account?.login).toBe("admin");
});

it("is refused once there is an administrator, however it was made", async () => {
  const backstay = await start();
  await operator(backstay).accounts.createAccount({ ...admin, login: "made before", roles: ["admin"] });
  expect(await refused(complete(backstay, tokenOf(backstay)))).toEqual(invalid);
});

it("takes the link of any start before the first administrator is made, and of none after", async () => {
  const database = await createDatabaseOn(inject("postgres18"), inject("template"));
  const home = mkdtempSync(join(tmpdir(), "backstay-home-"));
  onTestFinished(async () => {
    await database.drop();
    rmSync(home, { recursive: true, force: true });
  });
  const startAgain = () => startBackstay({ home, "database.url": database.url });
  const tokens: string[] = [];
  for (const _ of upTo(2)) {
    const before = await startAgain();
    tokens.push(tokenOf(before));
    await before.stop();
  }
  const backstay = await startAgain();
  expect((await complete(backstay, tokens[0]!)).account?.roles).toEqual(["admin"]);
  expect(await refused(complete(backstay, tokens[1]!, { login: "second" }))).toEqual(invalid);
  expect(await refused(complete(backstay, tokenOf(backstay), { login: "third" }))).toEqual(invalid);
  await backstay.stop();

  const after = await startAgain();
  expect(after.setupUrl).toBeUndefined();
  await after.stop();
});
