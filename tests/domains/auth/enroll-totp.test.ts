import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { curl, curlRefused, openDatabase, operatorToken, testClock } from "../support.js";
import { codeAt, turnOn } from "./authenticator.js";

const ENROLL = "auth.v1.AuthService/EnrollTotp";

const clock = testClock();
let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "app.name": "House: of Ada & Co" }, { overrides: { clock } });
});
afterAll(() => backstay.stop());

const enroll = (token: string) => curl<{ secret: string; uri: string }>(backstay, ENROLL, {}, token);

it("draws a secret of 160 bits, in base32 and as the URI of a QR code, named after the installation and the login", async () => {
  const { login, token } = await backstay.signUp("ada lovelace");
  const { secret, uri } = await enroll(token);
  expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  const { protocol, host, pathname, searchParams } = new URL(uri);
  expect([protocol, host]).toEqual(["otpauth:", "totp"]);
  expect(decodeURIComponent(pathname)).toBe(`/House  of Ada & Co:${login}`);
  expect(searchParams.get("secret")).toBe(secret);
  expect(searchParams.get("issuer")).toBe("House  of Ada & Co");
  for (const [name, usual] of [
    ["algorithm", "SHA1"],
    ["digits", "6"],
    ["period", "30"],
  ] as const) {
    expect(searchParams.get(name) ?? usual).toBe(usual);
  }
});

it("counts only once it is confirmed", async () => {
  const { login, secret, token } = await backstay.signUp();
  await enroll(token);
  expect((await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret })).status).toBe(200);
});

it("asked again, puts another in the place of one that was not confirmed", async () => {
  const { token } = await backstay.signUp();
  const [first, second] = [await enroll(token), await enroll(token)];
  expect(second.secret).not.toBe(first.secret);
  const confirm = "auth.v1.AuthService/ConfirmTotp";
  expect(await curlRefused(backstay, confirm, { code: codeAt(first.secret, clock.now()) }, token)).toMatchObject({
    reason: "INVALID_CODE",
  });
  await curl(backstay, confirm, { code: codeAt(second.secret, clock.now()) }, token);
});

it("keeps the secret sealed, and bound to its account", async () => {
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  const { secret } = await enroll(ada.token);
  await enroll(ben.token);
  const sql = openDatabase(backstay);
  const [row] = await sql`select t::text as row from backstay.totp t where account_id = ${ada.id}`;
  expect(row!.row).not.toContain(secret);
  expect(row!.row).not.toContain(Buffer.from(secret).toString("hex"));
  await sql`update backstay.totp set secret_sealed = (select secret_sealed from backstay.totp where account_id = ${ada.id})
    where account_id = ${ben.id}`;
  const copied = { code: codeAt(secret, clock.now()) };
  const { reason } = await connectJson(backstay.url, "auth.v1.AuthService/ConfirmTotp", copied, {
    authorization: `Bearer ${ben.token}`,
  });
  expect(reason).toBe("INTERNAL");
});

it("refuses whoever has an authenticator, nobody at all, and the installation's command line", async () => {
  const { token } = await backstay.signUp();
  await turnOn(backstay, token, clock);
  const refused = (by?: string) => curlRefused(backstay, ENROLL, {}, by);
  expect(await refused(token)).toMatchObject({ code: "failed_precondition", reason: "TOTP_ON" });
  expect(await refused()).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await refused(operatorToken(backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});
