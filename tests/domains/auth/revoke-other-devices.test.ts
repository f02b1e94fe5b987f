import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { auditOf } from "../audit.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused, eventually } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const REVOKE = "auth.v1.AuthService/RevokeOtherDevices";
const SUBSCRIBE = "events.v1.EventService/Subscribe";
const REVOKED = { code: "unauthenticated", reason: "TOKEN_REVOKED", fields: [] };

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const revoke = (token = ada.token) => curl<{ revokedCount?: number }>(backstay, REVOKE, {}, token);
const signIn = (cookie = false) => {
  const { login, secret } = ada;
  return connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, cookie });
};
const signed = (path: string, contentType = "application/json") => ({
  "bk-signature": sign({ ...ada, method: "POST", url: `${backstay.url}/backstay.${path}`, contentType }),
});

it("ends every sign-in but the one that asks, and says how many", async () => {
  const [phone, browser] = [await signIn(), await signIn(true)];
  const cookie = givenCookie(browser);
  const stream = await standingStream(backstay, phone.json.tokens.accessToken);
  const own = await standingStream(backstay, ada.token);
  expect(await revoke()).toEqual({ revokedCount: 2 });
  expect(await knownBy(backstay.url, bearer(phone.json.tokens.accessToken))).toBe("INVALID_TOKEN");
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe("INVALID_TOKEN");
  expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  const update = { account: { phone: "1" }, updateMask: "phone" };
  await curl(backstay, "accounts.v1.AccountService/UpdateAccount", update, ada.token);
  expect((await own.event(1_000)).type).toBe("account.update");
  expect(await revoke()).toEqual({});
});

it("counts a sign-in that was refreshed once, and none that was over", async () => {
  const phone = await signIn();
  const { refreshToken } = phone.json.tokens;
  await curl(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
  const laptop = await signIn();
  await curl(backstay, "auth.v1.AuthService/SignOut", {}, laptop.json.tokens.accessToken);
  expect(await revoke()).toEqual({ revokedCount: 1 });
});

it("keeps the secret: who knows it signs in, and signs requests, as before", async () => {
  await changeToSigning();
  await revoke();
  expect((await signIn()).status).toBe(200);
  const current = "auth.v1.AuthService/GetCurrent";
  expect(await knownBy(backstay.url, signed(current))).toBe(`${ada.id} by signature`);
});

it("ends the streams that signatures opened, and none that is opened afterwards", async () => {
  await changeToSigning();
  const stream = await openStream(backstay, undefined, {}, signed(SUBSCRIBE, "application/connect+json"));
  expect(await stream.next()).toHaveProperty("ready");
  await revoke();
  expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  const later = await openStream(backstay, undefined, {}, signed(SUBSCRIBE, "application/connect+json"));
  expect(await later.next()).toHaveProperty("ready");
  const update = { account: { phone: "2" }, updateMask: "phone" };
  await curl(backstay, "accounts.v1.AccountService/UpdateAccount", update, ada.token);
  expect((await later.event(1_000)).type).toBe("account.update");
});

it("ends all when it is asked for by a signature, which is no sign-in", async () => {
  await changeToSigning();
  const { json } = await connectJson(backstay.url, REVOKE, {}, signed(REVOKE));
  expect(json).toEqual({ revokedCount: 1 });
  expect(await knownBy(backstay.url, bearer(ada.token))).toBe("INVALID_TOKEN");
});

it("holds on another node within a second, and for one that starts later", async () => {
  const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
  const settings = { "database.url": backstay.databaseUrl, secret };
  const node = await startBackstay(settings);
  const token = (await signIn()).json.tokens.accessToken;
  expect(await knownBy(node.url, bearer(token))).toBe(`${ada.id} by token`);
  const stream = await standingStream(node, token);
  await revoke();
  expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  await eventually(1_000, "the token is forgotten", async () =>
    (await knownBy(node.url, bearer(token))) === "INVALID_TOKEN" ? true : undefined,
  );
  await node.stop();
  const later = await startBackstay(settings);
  expect(await knownBy(later.url, bearer(token))).toBe("INVALID_TOKEN");
  expect(await knownBy(later.url, bearer(ada.token))).toBe(`${ada.id} by token`);
  await later.stop();
});

it("is of accounts only, and is written down", async () => {
  expect(await curlRefused(backstay, REVOKE, {})).toMatchObject({ reason: "TOKEN_MISSING" });
  await signIn();
  await revoke();
  expect(await auditOf(backstay, ada.id, "device.revoked")).toEqual([{ actorId: ada.id, detail: { others: 1 } }]);
});

async function changeToSigning(): Promise<void> {
  const { secret: old } = ada;
  ada.secret = "a secret to sign with";
  await curl(backstay, "auth.v1.AuthService/ChangeSecret", { old, new: ada.secret, signatures: true }, ada.token);
}
