import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { curl, curlRefused, openDatabase, testClock } from "../support.js";
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
