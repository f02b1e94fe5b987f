import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, request } from "../../support/http-request.js";
import { auditOf } from "../audit.js";
import { bearer, curl, curlRefused, openDatabase, operatorToken, testClock } from "../support.js";
import { signUpAdmin } from "./api-key-house.js";
import { type Authenticator, turnOn } from "./authenticator.js";

const DISABLE = "auth.v1.AuthService/DisableTotp";

const clock = testClock();
let backstay: TestBackstay;
let ada: Person;
let app: Authenticator;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.access_ttl": "30d" }, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  app = await turnOn(backstay, ada.token, clock);
});
afterAll(() => backstay.stop());

const signIn = () => connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login: ada.login, secret: ada.secret });
const refused = (code: string, token?: string) => curlRefused(backstay, DISABLE, { code }, token);

describe.each([
  ["a code of the authenticator", () => app.code()],
  ["a recovery code", () => app.recoveryCodes[9]!],
])("with %s", (_, code) => {
  it("turns the authenticator off, and voids its recovery codes", async () => {
    expect(await curl(backstay, DISABLE, { code: code() }, ada.token)).toEqual({});
    expect((await signIn()).status).toBe(200);
    const sql = openDatabase(backstay);
    const left = await sql`select 1 from backstay.recovery_codes where account_id = ${ada.id}`;
    expect(left).toHaveLength(0);
    const told = await sql`select type from backstay.audit_inbox where account_id = ${ada.id} and type = 'totp.off'
      union all select type from backstay.audit_log where account_id = ${ada.id} and type = 'totp.off'`;
    expect(told).toHaveLength(1);
  });
});

it("is asked for by REST with the code in the body of a DELETE", async () => {
  const remove = (code: string) =>
    request(`${backstay.url}/v1/auth/totp`, {
      method: "DELETE",
      headers: { "content-type": "application/json", ...bearer(ada.token) },
      body: JSON.stringify({ code }),
    });
  expect((await remove(app.wrong())).reason).toBe("INVALID_CODE");
  expect((await remove(app.code())).status).toBe(200);
  expect((await signIn()).status).toBe(200);
});

it("refuses a code in the URL, where logs would keep it", async () => {
  const url = `${backstay.url}/v1/auth/totp?code=${app.code()}`;
  const { status } = await request(url, { method: "DELETE", headers: bearer(ada.token) });
  expect(status).toBe(400);
  expect((await signIn()).reason).toBe("OTP_REQUIRED");
});

describe("of another account", () => {
  const disable = (body: object, token: string) => connectJson(backstay.url, DISABLE, body, bearer(token));

  it("is for administrators: its owner signs in by the secret alone again", async () => {
    const admin = await signUpAdmin(backstay);
    expect(await curl(backstay, DISABLE, { accountId: ada.id }, admin)).toEqual({});
    expect((await signIn()).status).toBe(200);
    const { account } = await curl<{ account: { id: string } }>(backstay, "auth.v1.AuthService/GetCurrent", {}, admin);
    expect(await auditOf(backstay, ada.id, "totp.off")).toEqual([{ actorId: account.id, detail: {} }]);
    expect(await curlRefused(backstay, DISABLE, { accountId: ada.id }, admin)).toMatchObject({ reason: "TOTP_OFF" });
  });

  it("is for the installation's command line, by REST in the body of the DELETE", async () => {
    const { status } = await request(`${backstay.url}/v1/auth/totp`, {
      method: "DELETE",
      headers: { "content-type": "application/json", ...bearer(operatorToken(backstay)) },
      body: JSON.stringify({ accountId: ada.id }),
    });
    expect(status).toBe(200);
    expect((await signIn()).status).toBe(200);
  });

  it("is for nobody else, whether there is one or not", async () => {
    const ben = await backstay.signUp();
    for (const accountId of [ada.id, "0".repeat(32), "nobody"]) {
      expect((await disable({ accountId, code: app.code() }, ben.token)).reason).toBe("ADMIN_REQUIRED");
    }
    expect((await signIn()).reason).toBe("OTP_REQUIRED");
  });

  it("wants a code when it is the caller's own after all", async () => {
    for (const accountId of ["", "me", ada.id]) {
      const none = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["code"] };
      expect(await curlRefused(backstay, DISABLE, { accountId }, ada.token)).toEqual(none);
    }
    await curl(backstay, DISABLE, { accountId: ada.id, code: app.code() }, ada.token);
  });

  it("has to be one that there is", async () => {
    const operator = operatorToken(backstay);
    const unknown = { accountId: "0".repeat(32) };
    expect(await curlRefused(backstay, DISABLE, unknown, operator)).toMatchObject({ reason: "ACCOUNT_NOT_FOUND" });
    expect(await curlRefused(backstay, DISABLE, {}, operator)).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
  });
});

it("is seen in the list of ways in, with the recovery codes that are left", async () => {
  const shown = () => curl<{ authenticator?: object }>(backstay, "auth.v1.AuthService/ListIdentities", {}, ada.token);
  const { login, secret } = ada;
  await curl(backstay, "auth.v1.AuthService/SignIn", { login, secret, otp: app.recoveryCodes[0] });
  expect((await shown()).authenticator).toEqual({ confirmTime: expect.any(String), recoveryCodesLeft: 9 });
  await curl(backstay, DISABLE, { code: app.code() }, ada.token);
  expect((await shown()).authenticator).toBeUndefined();
});

it("lets the account enroll another one", async () => {
  await curl(backstay, DISABLE, { code: app.code() }, ada.token);
  await turnOn(backstay, ada.token, clock);
  expect((await signIn()).reason).toBe("OTP_REQUIRED");
});

it("refuses a wrong code, one that was used, an account without an authenticator, and nobody at all", async () => {
  const wrong = { code: "permission_denied", reason: "INVALID_CODE", fields: ["code"] };
  expect(await refused(app.wrong(), ada.token)).toEqual(wrong);
  const { login, secret } = ada;
  const used = app.code();
  await curl(backstay, "auth.v1.AuthService/SignIn", { login, secret, otp: used });
  expect(await refused(used, ada.token)).toEqual(wrong);
  const ben = await backstay.signUp();
  expect(await refused("123456", ben.token)).toMatchObject({ code: "failed_precondition", reason: "TOTP_OFF" });
  expect(await refused("123456")).toMatchObject({ reason: "TOKEN_MISSING" });
  expect((await signIn()).reason).toBe("OTP_REQUIRED");
});
