import { createClient } from "@backstay/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, curl, curlRefused, flipped, operator, operatorToken, refusedJson, testClock } from "../support.js";

const CURRENT = "auth.v1.AuthService/GetCurrent";
const unauthenticated = (reason: string) => ({ code: "unauthenticated", reason, fields: [] });

let backstay: TestBackstay;
let ada: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

it("tells who calls, whole, with which roles, and how the server knows", async () => {
  const client = createClient(backstay.url, { token: ada.token });
  const { account, roles, via } = await client.auth.getCurrent();
  expect(account).toEqual((await client.accounts.getAccount({})).account);
  expect({ login: account?.login, roles, via }).toEqual({ login: ada.login, roles: [], via: "token" });
});

it("tells the roles of an administrator", async () => {
  const person = { login: "boss", secret: "correct horse", name: "Boss", roles: ["support", "admin"] };
  await operator(backstay).accounts.createAccount(person);
  const client = backstay.anonymous();
  await client.auth.signIn({ login: "boss", secret: "correct horse" });
  expect((await client.auth.getCurrent()).roles).toEqual(["admin", "support"]);
});

it("can be asked by GET", async () => {
  const url = `${backstay.url}/backstay.${CURRENT}?connect=v1&encoding=json&message=%7B%7D`;
  const response = await fetch(url, { headers: bearer(ada.token) });
  expect(await response.json()).toMatchObject({ account: { id: ada.id }, via: "token" });
});

it("takes the word Bearer in any case", async () => {
  const { status } = await call(backstay.url, CURRENT, {}, { authorization: `bEARER  ${ada.token} ` });
  expect(status).toBe(200);
});

it("is refused without a token", async () => {
  expect(await curlRefused(backstay, CURRENT, {})).toEqual(unauthenticated("TOKEN_MISSING"));
});

it.each([
  ["unknown", () => `bs_at_${"A".repeat(43)}`],
  ["changed in one bit", () => flipped(ada.token)],
  ["longer by a letter", () => `${ada.token}A`],
  ["shorter by a letter", () => ada.token.slice(0, -1)],
  ["a refresh token", () => ada.client.auth.tokens!.refreshToken],
  ["an access token dressed as the operator's", () => ada.token.replace("bs_at_", "bs_op_")],
  ["no token at all", () => "ada"],
])("case 36: is refused with a token that is %s", async (_, token) => {
  expect(await curlRefused(backstay, CURRENT, {}, token())).toEqual(unauthenticated("INVALID_TOKEN"));
});

it.each(["Basic YWRhOnNlY3JldA==", "Bearer", "Bearer a b", ""])(
  "is refused with the header authorization: %s",
  async (authorization) => {
    const { status, json } = await call(backstay.url, CURRENT, {}, { authorization });
    expect(status).toBe(401);
    expect(refusedJson(json)).toEqual(unauthenticated("INVALID_TOKEN"));
  },
);

it("is refused for the installation's command line, which is no account", async () => {
  expect(await curlRefused(backstay, CURRENT, {}, operatorToken(backstay))).toEqual({
    code: "permission_denied",
    reason: "ACCOUNT_REQUIRED",
    fields: [],
  });
});

it("case 36: is refused from the moment the access token expires, and told so for a day", async () => {
  const person = await backstay.signUp();
  clock.advance(15 * 60_000 - 1);
  await curl(backstay, CURRENT, {}, person.token);
  clock.advance(1);
  expect(await curlRefused(backstay, CURRENT, {}, person.token)).toEqual(unauthenticated("TOKEN_EXPIRED"));
  clock.advance(12 * 3_600_000);
  expect(await curlRefused(backstay, CURRENT, {}, person.token)).toEqual(unauthenticated("TOKEN_EXPIRED"));
});
