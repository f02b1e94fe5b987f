import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { auditOf } from "../audit.js";
import { bearer, openDatabase, operatorToken, testClock } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const START = "auth.v1.AuthService/StartSession";
const clock = testClock("2031-02-03T04:05:06Z");

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.session_ttl": "2h", "auth.signatures": "all" }, { overrides: { clock } });
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const start = (headers: Record<string, string>) => connectJson(backstay.url, START, {}, headers);
const signIn = async ({ login, secret }: Person) => {
  const { json } = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret });
  return json.tokens.accessToken as string;
};

it("gives whoever calls with a token a cookie, and says when that ends", async () => {
  const reply = await start(bearer(await signIn(ada)));
  expect(reply.json).toEqual({ expireTime: "2031-02-03T06:05:06Z" });
  expect(reply.cookies).toEqual([
    expect.stringMatching(/^backstay_dev=bs_ct_[\w-]{43}; Max-Age=7200; Path=\/; HttpOnly; SameSite=Lax$/),
  ]);
  expect(await knownBy(backstay.url, withCookie(givenCookie(reply)))).toBe(`${ada.id} by cookie`);
});

it("gives whoever calls with a signature one too", async () => {
  const url = `${backstay.url}/backstay.${START}`;
  const contentType = "application/json";
  const expires = clock.now().getTime() + 60_000;
  const signature = sign({ login: ada.login, secret: ada.secret, method: "POST", url, contentType, expires });
  const cookie = givenCookie(await start({ "bk-signature": signature }));
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe(`${ada.id} by cookie`);
});

it("makes a sign-in of its own: signing out with the token leaves it alone", async () => {
  const token = await signIn(ada);
  const cookie = givenCookie(await start(bearer(token)));
  await connectJson(backstay.url, "auth.v1.AuthService/SignOut", {}, bearer(token));
  expect(await knownBy(backstay.url, bearer(token))).toBe("INVALID_TOKEN");
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe(`${ada.id} by cookie`);
});

it("is written down as a sign-in, with the device it is listed as", async () => {
  const eve = await backstay.signUp();
  await start(bearer(eve.token));
  const made = (await auditOf(backstay, eve.id, "sign_in.ok")).map(({ detail }) => detail);
  const { devices } = await eve.client.auth.listDevices();
  const { deviceId } = devices.find(({ current }) => !current)!;
  expect(made).toContainEqual({ method: "session", device: deviceId });
  expect(made).toHaveLength(2);
});

it("keeps only the hash of the cookie", async () => {
  const cookie = givenCookie(await start(bearer(await signIn(ada))));
  const sql = openDatabase(backstay);
  const hash = createHash("sha256").update(cookie).digest();
  expect(await sql`select kind from backstay.grants where token_hash = ${hash}`).toEqual([{ kind: "cookie" }]);
});

it("takes the cookie that came along out of use", async () => {
  const token = await signIn(ada);
  const first = givenCookie(await start(bearer(token)));
  const second = givenCookie(await start({ ...bearer(token), ...withCookie(first) }));
  expect(second).not.toBe(first);
  expect(await knownBy(backstay.url, withCookie(first))).toBe("INVALID_TOKEN");
  expect(await knownBy(backstay.url, withCookie(second))).toBe(`${ada.id} by cookie`);
});

it("ends with auth.session_ttl, and is told from a cookie that never was", async () => {
  const cookie = givenCookie(await start(bearer(await signIn(ada))));
  clock.advance(2 * 60 * 60_000 - 1);
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe(`${ada.id} by cookie`);
  clock.advance(1);
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe("TOKEN_EXPIRED");
  expect(await knownBy(backstay.url, withCookie(`bs_ct_${"A".repeat(43)}`))).toBe("INVALID_TOKEN");
});

it("does not outlast the sign-in it was asked for with, however often it is renewed", async () => {
  const short = await startBackstay(
    { "auth.refresh_max_ttl": "1h", "auth.session_ttl": "2h" },
    { overrides: { clock } },
  );
  const { token } = await short.signUp();
  clock.advance(5 * 60_000);
  const first = await connectJson(short.url, START, {}, bearer(token));
  const end = new Date(clock.now().getTime() + 55 * 60_000).toISOString().replace(".000", "");
  expect(first.json.expireTime).toBe(end);
  expect(first.cookies[0]).toContain("Max-Age=3300;");
  clock.advance(5 * 60_000);
  const renewed = await connectJson(short.url, START, {}, withCookie(givenCookie(first)));
  expect(renewed.json.expireTime).toBe(end);
  await short.stop();
});

it("is refused without a caller, and to the installation's command line", async () => {
  expect((await start({})).reason).toBe("TOKEN_MISSING");
  expect((await start(bearer(operatorToken(backstay)))).reason).toBe("ACCOUNT_REQUIRED");
});
