import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { bearer, curl, operatorToken, testClock } from "../support.js";
import { makeKey, signUpAdmin } from "./api-key-house.js";
import { turnOn } from "./authenticator.js";
import { givenCookie, withCookie } from "./cookies.js";

const REFUSED = { status: 403, reason: "RECENT_SIGN_IN_REQUIRED" };
const ENROLL = "EnrollTotp";
const MINUTE = 60_000;

const clock = testClock();
const settings = { "auth.access_ttl": "30d", "auth.signatures": "all", public_url: "http://localhost:8000" } as const;
let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay(settings, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const auth = (verb: string, body: object, headers: Record<string, string>, at = backstay) =>
  connectJson(at.url, `auth.v1.AuthService/${verb}`, body, headers);
const outcome = async (verb: string, body: object, headers: Record<string, string>) => {
  const { status, reason } = await auth(verb, body, headers);
  return { status, reason };
};
const signIn = async (body: object = {}) => {
  const { login, secret } = ada;
  return auth("SignIn", { login, secret, ...body }, {});
};

/** What adds something by which somebody gets in later, or keeps others out. */
const ADDING: [verb: string, body: object][] = [
  [ENROLL, {}],
  ["BeginRegistration", {}],
  ["LinkIdentity", { provider: "nobody", code: "x", state: "y" }],
  ["CreateApiKey", { scopes: ["*"] }],
  ["RegenerateRecoveryCodes", { code: "123456" }],
  ["UpgradeAnonymous", { login: "another", secret: "long enough" }],
];

describe.each(ADDING)("%s", (verb, body) => {
  it("wants a sign-in of the last 15 minutes", async () => {
    clock.advance(15 * MINUTE);
    expect((await auth(verb, body, bearer(ada.token))).reason).not.toBe(REFUSED.reason);
    clock.advance(1);
    expect(await outcome(verb, body, bearer(ada.token))).toEqual(REFUSED);
    const { tokens } = (await signIn()).json;
    expect((await auth(verb, body, bearer(tokens.accessToken))).reason).not.toBe(REFUSED.reason);
  });
});

it("a stolen token keeps nobody from his account: it turns no authenticator on, and makes no key", async () => {
  clock.advance(16 * MINUTE);
  for (const [verb, body] of ADDING) expect(await outcome(verb, body, bearer(ada.token))).toEqual(REFUSED);
  expect((await signIn()).status).toBe(200);
});

it("a sign-in becomes no younger by its refresh, nor by a session that is started with it", async () => {
  const { tokens } = (await signIn()).json;
  clock.advance(16 * MINUTE);
  const refreshed = await auth("Refresh", { refreshToken: tokens.refreshToken }, {});
  const { accessToken } = refreshed.json.tokens;
  expect(await outcome(ENROLL, {}, bearer(accessToken))).toEqual(REFUSED);
  const started = await auth("StartSession", {}, bearer(accessToken));
  expect(await outcome(ENROLL, {}, withCookie(givenCookie(started)))).toEqual(REFUSED);
});

it("a cookie of a sign-in serves like its tokens", async () => {
  const cookie = withCookie(givenCookie(await signIn({ cookie: true })));
  expect((await auth(ENROLL, {}, cookie)).status).toBe(200);
  clock.advance(16 * MINUTE);
  expect(await outcome(ENROLL, {}, cookie)).toEqual(REFUSED);
});

it("whoever signs his request shows with each who he is", async () => {
  clock.advance(16 * MINUTE);
  const contentType = "application/json";
  const url = `${backstay.url}/backstay.auth.v1.AuthService/${ENROLL}`;
  const { login, secret } = ada;
  const expires = clock.now().getTime() + MINUTE;
  const signature = sign({ login, secret, method: "POST", url, contentType, expires });
  expect((await auth(ENROLL, {}, { "bk-signature": signature })).status).toBe(200);
});

it("an API key with auth:write makes another one, as does the installation's command line", async () => {
  const { key } = await makeKey(backstay, ada.token, { scopes: ["*", "auth:write"] });
  clock.advance(60 * MINUTE);
  expect((await auth("CreateApiKey", { scopes: ["*"] }, bearer(key))).status).toBe(200);
  const byOperator = bearer(operatorToken(backstay));
  expect((await auth("CreateApiKey", { scopes: ["*"], accountId: ada.id }, byOperator)).status).toBe(200);
});

it("an administrator turns off another's authenticator, and makes him a key, with a sign-in of then alone", async () => {
  await turnOn(backstay, ada.token, clock);
  const admin = bearer(await signUpAdmin(backstay));
  clock.advance(16 * MINUTE);
  expect(await outcome("DisableTotp", { accountId: ada.id }, admin)).toEqual(REFUSED);
  expect(await outcome("CreateApiKey", { accountId: ada.id, scopes: ["*"] }, admin)).toEqual(REFUSED);
  expect((await signIn()).reason).toBe("OTP_REQUIRED");
});

it("an anonymous account, which nobody could sign in to again, is asked for none", async () => {
  const guest = (await auth("SignInAnonymously", {}, {})).json.tokens.accessToken;
  clock.advance(60 * MINUTE);
  expect((await auth("BeginRegistration", {}, bearer(guest))).status).toBe(200);
  const upgraded = await auth("UpgradeAnonymous", { login: "was-a-guest", secret: "long enough" }, bearer(guest));
  expect(upgraded.status).toBe(200);
  expect(await outcome(ENROLL, {}, bearer(guest))).toEqual(REFUSED);
});

it("auth.recent_sign_in says how old it may be, and 0s that any will do", async () => {
  for (const [within, late] of [
    ["1h", REFUSED.status],
    ["0s", 200],
  ] as const) {
    const other = await startBackstay({ ...settings, "auth.recent_sign_in": within }, { overrides: { clock } });
    const { token } = await other.signUp();
    clock.advance(60 * MINUTE);
    expect((await auth(ENROLL, {}, bearer(token), other)).status).toBe(200);
    clock.advance(MINUTE);
    expect((await auth(ENROLL, {}, bearer(token), other)).status).toBe(late);
    await other.stop();
  }
});

it("the answer says what to do", async () => {
  clock.advance(16 * MINUTE);
  const { json } = await auth(ENROLL, {}, bearer(ada.token));
  expect(json).toMatchObject({ code: "permission_denied", message: expect.stringContaining("sign in again") });
  await expect(curl(backstay, "auth.v1.AuthService/GetCurrent", {}, ada.token)).resolves.toBeDefined();
});
