import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, operatorToken } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

interface SignedIn {
  tokens: { accessToken: string; refreshToken: string };
}

const unauthenticated = (reason: string) => ({ code: "unauthenticated", reason, fields: [] });

let backstay: TestBackstay;
let ada: Person;
let phone: SignedIn["tokens"];
let laptop: SignedIn["tokens"];
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
beforeEach(async () => {
  const { login, secret } = ada;
  const signIn = () => curl<SignedIn>(backstay, "auth.v1.AuthService/SignIn", { login, secret });
  [phone, laptop] = [(await signIn()).tokens, (await signIn()).tokens];
});
afterAll(() => backstay.stop());

const signOut = (token: string) => curl(backstay, "auth.v1.AuthService/SignOut", {}, token);
const current = (token: string) => curl(backstay, "auth.v1.AuthService/GetCurrent", {}, token);
const currentRefused = (token: string) => curlRefused(backstay, "auth.v1.AuthService/GetCurrent", {}, token);

it("ends the access token at once, also when the server has just seen it", async () => {
  await current(phone.accessToken);
  expect(await signOut(phone.accessToken)).toEqual({});
  expect(await currentRefused(phone.accessToken)).toEqual(unauthenticated("INVALID_TOKEN"));
});

it("ends the refresh token, and every access token that came from it", async () => {
  const { refreshToken } = phone;
  const { tokens } = await curl<SignedIn>(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
  await signOut(tokens.accessToken);
  const invalid = unauthenticated("INVALID_TOKEN");
  expect(await currentRefused(phone.accessToken)).toEqual(invalid);
  expect(await currentRefused(tokens.accessToken)).toEqual(invalid);
  for (const refreshToken of [phone.refreshToken, tokens.refreshToken]) {
    expect(await curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken })).toEqual(invalid);
  }
});

it("leaves the account's other sign-ins and their streams alone", async () => {
  const stream = await standingStream(backstay, laptop.accessToken);
  await signOut(phone.accessToken);
  await current(laptop.accessToken);
  await ada.client.accounts.updateAccount({ account: { phone: "1" }, updateMask: { paths: ["phone"] } });
  expect((await stream.event(1_000)).type).toBe("account.update");
});

it("ends the streams of the sign-in within a second", async () => {
  const streams = [
    await standingStream(backstay, phone.accessToken),
    await standingStream(backstay, phone.accessToken),
  ];
  await signOut(phone.accessToken);
  for (const stream of streams) {
    expect((await stream.end(1_000)).refused).toEqual(unauthenticated("TOKEN_REVOKED"));
  }
});

it("ends the token's own sign-in whatever page asks, and nothing that a browser sent along", async () => {
  const { login, secret } = ada;
  for (const origin of ["chrome-extension://abc", "https://app.example.org"]) {
    const signIn = () => connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, cookie: true });
    const [own, browser] = [await signIn(), await signIn()];
    const { accessToken } = own.json.tokens;
    const cookie = withCookie(givenCookie(browser));
    const headers = { ...bearer(accessToken), ...cookie, origin, "sec-fetch-site": "same-origin" };
    const reply = await connectJson(backstay.url, "auth.v1.AuthService/SignOut", {}, headers);
    expect([reply.status, reply.cookies]).toEqual([200, []]);
    expect(await currentRefused(accessToken)).toEqual(unauthenticated("INVALID_TOKEN"));
    expect(await knownBy(backstay.url, withCookie(givenCookie(own)))).toBe("INVALID_TOKEN");
    expect(await knownBy(backstay.url, cookie)).toBe(`${ada.id} by cookie`);
  }
});

it("is refused without a token, with a dead one, and for the installation's command line", async () => {
  const refused = (token?: string) => curlRefused(backstay, "auth.v1.AuthService/SignOut", {}, token);
  expect(await refused()).toEqual(unauthenticated("TOKEN_MISSING"));
  await signOut(phone.accessToken);
  expect(await refused(phone.accessToken)).toEqual(unauthenticated("INVALID_TOKEN"));
  expect(await refused(operatorToken(backstay))).toMatchObject({
    code: "permission_denied",
    reason: "ACCOUNT_REQUIRED",
  });
});

it("makes the client forget its tokens", async () => {
  const person = await backstay.signUp();
  await person.client.auth.signOut();
  expect(person.client.auth.tokens).toBeUndefined();
  expect(await currentRefused(person.token)).toEqual(unauthenticated("INVALID_TOKEN"));
});

it("leaves no living token of the sign-in, also when a refresh crosses it", async () => {
  for (let round = 0; round < 20; round++) {
    const { login, secret } = ada;
    const { tokens } = await curl<SignedIn>(backstay, "auth.v1.AuthService/SignIn", { login, secret });
    const refresh = curl<SignedIn>(backstay, "auth.v1.AuthService/Refresh", { refreshToken: tokens.refreshToken });
    const [refreshed] = await Promise.all([refresh.catch(() => undefined), signOut(tokens.accessToken)]);
    const left = refreshed?.tokens.accessToken;
    if (left !== undefined) expect(await currentRefused(left)).toEqual(unauthenticated("INVALID_TOKEN"));
  }
});
