import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { bearer, curl, curlRefused, openDatabase, testClock, upTo } from "../support.js";
import { codeAt, turnOn, wrongCodeAt } from "./authenticator.js";
import { knownBy } from "./cookies.js";

const CONFIRM = "auth.v1.AuthService/ConfirmTotp";
const SIGN_IN = "auth.v1.AuthService/SignIn";

const clock = testClock();
let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.access_ttl": "30d" }, { overrides: { clock } });
});
afterAll(() => backstay.stop());

const confirm = (token: string, code: string) => curl<{ recoveryCodes: string[] }>(backstay, CONFIRM, { code }, token);
const refused = (token: string, code: string) => curlRefused(backstay, CONFIRM, { code }, token);
const signIn = ({ login, secret }: Person, otp?: string) =>
  connectJson(backstay.url, SIGN_IN, { login, secret, ...(otp !== undefined && { otp }) });
const secretOf = async ({ token }: Person) =>
  (await curl<{ secret: string }>(backstay, "auth.v1.AuthService/EnrollTotp", {}, token)).secret;
const entries = async ({ id }: Person) => {
  const sql = openDatabase(backstay);
  const rows = await sql`select type from (
    select at, type, account_id, seq as place from backstay.audit_inbox
    union all select at, type, account_id, sequence from backstay.audit_log) a
    where account_id = ${id} and type <> 'account.created' and type not like 'sign%' order by at, place`;
  return rows.map(({ type }) => type);
};

it("answers ten recovery codes, and has SignIn ask for a code from now on", async () => {
  const ada = await backstay.signUp();
  const secret = await secretOf(ada);
  const { recoveryCodes } = await confirm(ada.token, codeAt(secret, clock.now()));
  expect(recoveryCodes).toHaveLength(10);
  expect(new Set(recoveryCodes).size).toBe(10);
  for (const code of recoveryCodes) expect(code).toMatch(/^[A-Z2-7]{5}-[A-Z2-7]{5}$/);
  expect((await signIn(ada)).reason).toBe("OTP_REQUIRED");
  expect(await entries(ada)).toEqual(["totp.on", "recovery_codes.drawn"]);
});

it("leaves the sign-ins that stand alone", async () => {
  const ada = await backstay.signUp();
  const other = (await signIn(ada)).json.tokens.accessToken;
  await turnOn(backstay, ada.token, clock);
  for (const token of [ada.token, other]) expect(await knownBy(backstay.url, bearer(token))).toBe(`${ada.id} by token`);
});

it("takes the code before and after the one of now, as clocks differ, and no other", async () => {
  for (const [offset, answer] of [
    [-60, "INVALID_CODE"],
    [-30, "ok"],
    [0, "ok"],
    [30, "ok"],
    [60, "INVALID_CODE"],
  ] as const) {
    const ada = await backstay.signUp();
    const code = codeAt(await secretOf(ada), new Date(clock.now().getTime() + offset * 1_000));
    const { status, reason } = await connectJson(backstay.url, CONFIRM, { code }, bearer(ada.token));
    expect([offset, status === 200 ? "ok" : reason]).toEqual([offset, answer]);
  }
});

it("turns it on once, also when the code is shown twice at the same time", async () => {
  const ada = await backstay.signUp();
  const code = codeAt(await secretOf(ada), clock.now());
  const answers = await Promise.all([1, 2].map(() => connectJson(backstay.url, CONFIRM, { code }, bearer(ada.token))));
  const reasons = answers.map(({ status, reason }) => (status === 200 ? "ok" : reason));
  expect(reasons).toContain("ok");
  expect(["CONFLICT", "TOTP_ON"]).toContain(reasons.find((reason) => reason !== "ok"));
  const [kept] = await openDatabase(backstay)`select count(*)::int as codes from backstay.recovery_codes
    where account_id = ${ada.id}`;
  expect(kept).toEqual({ codes: 10 });
});

it("refuses a wrong code, whoever has enrolled nothing, and whoever has an authenticator", async () => {
  const ada = await backstay.signUp();
  expect(await refused(ada.token, "123456")).toMatchObject({ code: "failed_precondition", reason: "TOTP_OFF" });
  const secret = await secretOf(ada);
  for (const code of [wrongCodeAt(secret, clock.now()), "12345", "1234567", "abcdef"]) {
    expect(await refused(ada.token, code)).toEqual({
      code: "permission_denied",
      reason: "INVALID_CODE",
      fields: ["code"],
    });
  }
  const code = codeAt(secret, clock.now());
  await confirm(ada.token, ` ${code.slice(0, 3)} ${code.slice(3)}`);
  expect(await refused(ada.token, codeAt(secret, clock.now()))).toMatchObject({ reason: "TOTP_ON" });
});

it("keeps no recovery code as it is", async () => {
  const ada = await backstay.signUp();
  const { recoveryCodes } = await turnOn(backstay, ada.token, clock);
  const sql = openDatabase(backstay);
  const [all] =
    await sql`select (select string_agg(encode(code_mac, 'escape'), ' ') from backstay.recovery_codes) || ' ' ||
    (select coalesce(string_agg(a::text, ' '), '') from backstay.audit_inbox a) || ' ' ||
    (select coalesce(string_agg(a::text, ' '), '') from backstay.audit_log a) as rows`;
  for (const code of recoveryCodes) {
    for (const text of [all!.rows, backstay.log()]) {
      expect(text).not.toContain(code);
      expect(text).not.toContain(code.replace("-", ""));
    }
  }
});

it("stops whoever guesses", async () => {
  const strict = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "1000" });
  const { token } = await strict.signUp();
  await curl(strict, "auth.v1.AuthService/EnrollTotp", {}, token);
  const answers = [];
  for (const _ of upTo(6)) answers.push((await curlRefused(strict, CONFIRM, { code: "no" }, token)).reason);
  expect(answers).toEqual([...upTo(5).map(() => "INVALID_CODE"), "TOO_MANY_TRIES"]);
  await strict.stop();
});
