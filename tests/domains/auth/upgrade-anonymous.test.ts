import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken, upTo } from "../support.js";
import { knownBy } from "./cookies.js";

const UPGRADE = "auth.v1.AuthService/UpgradeAnonymous";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.secret_min_length": "8" });
});
afterAll(() => backstay.stop());

let guests = 0;
const fresh = () => ({ login: `guest-${guests++}`, secret: "a long secret" });
async function guest(name = "") {
  const { account, tokens } = await curl<{ account: { id: string }; tokens: { accessToken: string } }>(
    backstay,
    "auth.v1.AuthService/SignInAnonymously",
    { name },
  );
  return { id: account.id, token: tokens.accessToken };
}
const upgrade = (body: object, token: string) =>
  curl<{ account: Record<string, unknown> }>(backstay, UPGRADE, body, token).then(({ account }) => account);
const refused = (body: object, token?: string) => curlRefused(backstay, UPGRADE, body, token);
const signIn = (login: string, secret: string) =>
  connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret });

it("gives the account a login and secret; it stays the same account, and whoever has it stays signed in", async () => {
  const { id, token } = await guest();
  const { login, secret } = fresh();
  expect(await upgrade({ login, secret }, token)).toMatchObject({ id, login, name: "Guest" });
  expect((await signIn(login.toUpperCase(), secret)).json.account.id).toBe(id);
  expect(await knownBy(backstay.url, bearer(token))).toBe(`${id} by token`);
});

it("gives it another name where one is given, and the short one that was made of it", async () => {
  const { token } = await guest("Visitor");
  expect(await upgrade({ ...fresh(), name: "Ada" }, token)).toMatchObject({ name: "Ada", alias: "Ada" });
  const other = await guest("Visitor");
  const alias = { account: { alias: "V." }, updateMask: "alias" };
  await curl(backstay, "accounts.v1.AccountService/UpdateAccount", alias, other.token);
  expect(await upgrade({ ...fresh(), name: "Ben" }, other.token)).toMatchObject({ name: "Ben", alias: "V." });
});

it("is seen at once by whoever reads the account", async () => {
  const { token } = await guest();
  const read = () =>
    curl<{ account: { login?: string } }>(backstay, "accounts.v1.AccountService/GetAccount", {}, token);
  expect((await read()).account.login).toBeUndefined();
  const { login, secret } = fresh();
  await upgrade({ login, secret }, token);
  expect((await read()).account.login).toBe(login);
});

it("is told to whoever follows the account", async () => {
  const { token } = await guest();
  const stream = await standingStream(backstay, token);
  await upgrade(fresh(), token);
  expect(await stream.event(1_000)).toMatchObject({ type: "account.update", data: { changed: ["login"] } });
});

it("makes it anonymous no more, and writes that into the audit log", async () => {
  const { id, token } = await guest();
  const { login, secret } = fresh();
  await upgrade({ login, secret }, token);
  const sql = openDatabase(backstay);
  const kinds = await sql`select kind from backstay.identities where account_id = ${id}`;
  expect([...kinds]).toEqual([{ kind: "login" }]);
  const told =
    await sql`select detail from backstay.audit_inbox where account_id = ${id} and type = 'anonymous.upgraded'
    union all select detail from backstay.audit_log where account_id = ${id} and type = 'anonymous.upgraded'`;
  expect([...told]).toEqual([{ detail: "{}" }]);
  expect(backstay.log()).not.toContain(secret);
});

it("serves an account that has another way in and no login as well", async () => {
  const ada = await backstay.signUp();
  await openDatabase(backstay)`update backstay.identities set kind = 'passkey', secret_phc = null
    where account_id = ${ada.id}`;
  const { login, secret } = fresh();
  expect(await upgrade({ login, secret }, ada.token)).toMatchObject({ id: ada.id, login });
});

it("keeps the secret for signatures only when that is asked for", async () => {
  const sql = openDatabase(backstay);
  for (const signatures of [false, true]) {
    const { id, token } = await guest();
    await upgrade({ ...fresh(), signatures }, token);
    const [row] =
      await sql`select secret_sealed is not null as sealed from backstay.identities where account_id = ${id}`;
    expect(row).toEqual({ sealed: signatures });
  }
});

it("keeps nobody from his known devices, however many want a login at once", async () => {
  const ada = await backstay.signUp();
  const { deviceToken } = (await signIn(ada.login, ada.secret)).json;
  const guests = await Promise.all(upTo(150).map(() => guest()));
  let done = 0;
  const storm = guests.map(({ token }) => {
    const asked = connectJson(backstay.url, UPGRADE, fresh(), bearer(token));
    return asked.finally(() => done++);
  });
  // The others wait by then, more than there are places for known devices.
  await expect.poll(() => done, { timeout: 20_000 }).toBeGreaterThan(0);
  const { login, secret } = ada;
  const known = upTo(5).map(() =>
    connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, deviceToken }),
  );
  expect((await Promise.all(known)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  await Promise.all(storm);
});

it("hashes nothing for a login that is taken", async () => {
  const { login } = await backstay.signUp();
  const guests = await Promise.all(upTo(80).map(() => guest()));
  const answers = guests.map(({ token }) =>
    connectJson(backstay.url, UPGRADE, { login, secret: "a long secret" }, bearer(token)),
  );
  // Eighty are more than would find a place to wait.
  expect(new Set((await Promise.all(answers)).map(({ reason }) => reason))).toEqual(new Set(["LOGIN_TAKEN"]));
});

it("is closed where registration is, to anonymous accounts alone", async () => {
  const secretOfKey = readFileSync(join(backstay.home, "etc", "secret"), "utf8").trim();
  const same = { "database.url": backstay.databaseUrl, secret: secretOfKey };
  const closed = await startBackstay({ ...same, "accounts.open_registration": "off" });
  onTestFinished(() => closed.stop());
  const { id, token } = await guest();
  expect(await curlRefused(closed, UPGRADE, fresh(), token)).toEqual({
    code: "permission_denied",
    reason: "REGISTRATION_CLOSED",
    fields: [],
  });
  const sql = openDatabase(backstay);
  const kinds = await sql`select kind from backstay.identities where account_id = ${id}`;
  expect([...kinds]).toEqual([{ kind: "anonymous" }]);
  const ada = await backstay.signUp();
  await sql`update backstay.identities set kind = 'passkey', secret_phc = null where account_id = ${ada.id}`;
  const { login, secret } = fresh();
  await curl(closed, UPGRADE, { login, secret }, ada.token);
});

describe("a refusal", () => {
  it("meets an account that has a login, also when two come at the same time", async () => {
    const ada = await backstay.signUp();
    expect(await refused(fresh(), ada.token)).toMatchObject({ code: "failed_precondition", reason: "LOGIN_PRESENT" });
    const { id, token } = await guest();
    const answers = await Promise.all(upTo(4).map(() => connectJson(backstay.url, UPGRADE, fresh(), bearer(token))));
    expect(answers.map(({ status, reason }) => (status === 200 ? "ok" : reason)).sort()).toEqual([
      "LOGIN_PRESENT",
      "LOGIN_PRESENT",
      "LOGIN_PRESENT",
      "ok",
    ]);
    const sql = openDatabase(backstay);
    expect(await sql`select 1 from backstay.identities where account_id = ${id}`).toHaveLength(1);
  });

  it("meets an account that is deleted meanwhile as a token that is none any more", async () => {
    const { id, token } = await guest();
    const sql = openDatabase(backstay);
    let answer: Promise<unknown> | undefined;
    await sql.begin(async (tx) => {
      await tx`delete from backstay.accounts where id = ${id}`;
      answer = refused(fresh(), token);
      await eventually(5_000, "the upgrade waiting for the account", async () => {
        const waiting = await sql`select 1 from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        return waiting.length > 0 ? true : undefined;
      });
    });
    expect(await answer).toEqual({ code: "unauthenticated", reason: "INVALID_TOKEN", fields: [] });
  });

  it("meets a login that is another's, in any case, and leaves the account as it was", async () => {
    const ada = await backstay.signUp();
    const { id, token } = await guest();
    const body = { ...fresh(), login: ada.login.toUpperCase(), name: "Eve" };
    expect(await refused(body, token)).toEqual({ code: "already_exists", reason: "LOGIN_TAKEN", fields: ["login"] });
    const sql = openDatabase(backstay);
    const [left] = await sql`select name, (select kind from backstay.identities where account_id = a.id) as kind
      from backstay.accounts a where id = ${id}`;
    expect(left).toEqual({ name: "Guest", kind: "anonymous" });
  });

  it.each([
    ["a secret that is too short", { secret: "seven77" }, "SECRET_TOO_SHORT", "secret"],
    ["no secret", { secret: "" }, "INVALID_FIELD", "secret"],
    ["a login with a blank at its end", { login: "guest " }, "INVALID_LOGIN", "login"],
    ["no login", { login: "" }, "INVALID_FIELD", "login"],
    ["a name that is too long", { name: "x".repeat(129) }, "INVALID_FIELD", "name"],
    ["a name of two lines", { name: "Ada\nBen" }, "INVALID_FIELD", "name"],
  ])("meets %s", async (_, changed, reason, field) => {
    const { token } = await guest();
    expect(await refused({ ...fresh(), ...changed }, token)).toEqual({
      code: "invalid_argument",
      reason,
      fields: [field],
    });
  });

  it("meets nobody at all, and the installation's command line", async () => {
    expect(await refused(fresh())).toMatchObject({ reason: "TOKEN_MISSING" });
    expect(await refused(fresh(), operatorToken(backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
  });
});
