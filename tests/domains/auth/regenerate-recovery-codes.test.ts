import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { bearer, curl, curlRefused, openDatabase, operatorToken, testClock, upTo } from "../support.js";
import { turnOn } from "./authenticator.js";

const REGENERATE = "auth.v1.AuthService/RegenerateRecoveryCodes";

const clock = testClock();
let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.access_ttl": "30d" }, { overrides: { clock } });
});
afterAll(() => backstay.stop());

const regenerate = async (token: string, code: string) =>
  (await curl<{ recoveryCodes: string[] }>(backstay, REGENERATE, { code }, token)).recoveryCodes;

it("draws ten new codes, and voids those before", async () => {
  const { id, login, secret, token } = await backstay.signUp();
  const app = await turnOn(backstay, token, clock);
  const codes = await regenerate(token, app.code());
  expect(codes).toHaveLength(10);
  const signIn = (otp: string) => connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, otp });
  expect((await signIn(app.recoveryCodes[0]!)).reason).toBe("INVALID_OTP");
  expect((await signIn(codes[0]!)).status).toBe(200);
  const sql = openDatabase(backstay);
  const drawn =
    await sql`select type from backstay.audit_inbox where account_id = ${id} and type = 'recovery_codes.drawn'
    union all select type from backstay.audit_log where account_id = ${id} and type = 'recovery_codes.drawn'`;
  expect(drawn).toHaveLength(2);
});

it("takes the last recovery code that is left, when the app is lost", async () => {
  const { token } = await backstay.signUp();
  const app = await turnOn(backstay, token, clock);
  const codes = await regenerate(token, app.recoveryCodes[0]!);
  expect(codes).toHaveLength(10);
  expect(codes).not.toContain(app.recoveryCodes[0]);
});

it("is done by one of two who ask at once, each with a code of those before: theirs are all that is left", async () => {
  const { id, token } = await backstay.signUp();
  let codes = (await turnOn(backstay, token, clock)).recoveryCodes;
  for (const _ of upTo(5)) {
    const ask = (code: string) => connectJson(backstay.url, REGENERATE, { code }, bearer(token));
    const replies = await Promise.all([ask(codes[0]!), ask(codes[1]!)]);
    expect(replies.map(({ status, reason }) => (status === 200 ? "ok" : reason)).sort()).toEqual([
      "INVALID_CODE",
      "ok",
    ]);
    expect(await openDatabase(backstay)`select 1 from backstay.recovery_codes where account_id = ${id}`).toHaveLength(
      10,
    );
    codes = replies.find(({ status }) => status === 200)!.json.recoveryCodes;
  }
});

it("leaves none where an administrator turns the authenticator off at once, and the code unused where that was first", async () => {
  for (const _ of upTo(5)) {
    const { id, token } = await backstay.signUp();
    const { recoveryCodes } = await turnOn(backstay, token, clock);
    const off = curl(backstay, "auth.v1.AuthService/DisableTotp", { accountId: id }, operatorToken(backstay));
    const { status, reason } = await connectJson(backstay.url, REGENERATE, { code: recoveryCodes[0] }, bearer(token));
    await off;
    expect(["ok", "TOTP_OFF"]).toContain(status === 200 ? "ok" : reason);
    expect(await openDatabase(backstay)`select 1 from backstay.recovery_codes where account_id = ${id}`).toHaveLength(
      0,
    );
  }
});

it("refuses a wrong code and leaves those there are, an account without an authenticator, and nobody at all", async () => {
  const { token } = await backstay.signUp();
  const app = await turnOn(backstay, token, clock);
  const refused = (code: string, by?: string) => curlRefused(backstay, REGENERATE, { code }, by);
  expect(await refused(app.wrong(), token)).toEqual({
    code: "permission_denied",
    reason: "INVALID_CODE",
    fields: ["code"],
  });
  await regenerate(token, app.recoveryCodes[5]!);
  const ben = await backstay.signUp();
  expect(await refused("123456", ben.token)).toMatchObject({ code: "failed_precondition", reason: "TOTP_OFF" });
  expect(await refused("123456")).toMatchObject({ reason: "TOKEN_MISSING" });
});
