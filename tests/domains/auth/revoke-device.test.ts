import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { auditOf } from "../audit.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const REVOKE = "auth.v1.AuthService/RevokeDevice";
const REVOKED = { code: "unauthenticated", reason: "TOKEN_REVOKED", fields: [] };
const NOT_FOUND = { code: "not_found", reason: "DEVICE_NOT_FOUND", fields: ["deviceId"] };

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const revoke = (deviceId: string, token = ada.token) => curl(backstay, REVOKE, { deviceId }, token);
const revokeRefused = (deviceId: string, token = ada.token) => curlRefused(backstay, REVOKE, { deviceId }, token);

async function signIn(cookie = false) {
  const { login, secret } = ada;
  const reply = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, cookie });
  const { tokens, deviceId } = reply.json;
  return { reply, ...tokens, deviceId } as { reply: typeof reply } & Record<
    "accessToken" | "refreshToken" | "deviceId",
    string
  >;
}

it("ends the sign-in at once: its tokens and its cookie, and its streams within a second", async () => {
  const phone = await signIn(true);
  const cookie = givenCookie(phone.reply);
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe(`${ada.id} by cookie`);
  const stream = await standingStream(backstay, phone.accessToken);
  const byCookie = await openStream(backstay, undefined, {}, withCookie(cookie));
  await byCookie.next();
  expect(await revoke(phone.deviceId)).toEqual({});
  expect(await knownBy(backstay.url, bearer(phone.accessToken))).toBe("INVALID_TOKEN");
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe("INVALID_TOKEN");
  const { refreshToken } = phone;
  expect(await curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken })).toMatchObject({
    reason: "INVALID_TOKEN",
  });
  expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  expect((await byCookie.end(1_000)).refused).toEqual(REVOKED);
});

it("leaves the account's other sign-ins alone, with their streams", async () => {
  const phone = await signIn();
  const stream = await standingStream(backstay, ada.token);
  await revoke(phone.deviceId);
  const update = { account: { phone: "1" }, updateMask: "phone" };
  await curl(backstay, "accounts.v1.AccountService/UpdateAccount", update, ada.token);
  expect((await stream.event(1_000)).type).toBe("account.update");
});

it("may end the sign-in that asks", async () => {
  const phone = await signIn();
  await revoke(phone.deviceId, phone.accessToken);
  expect(await knownBy(backstay.url, bearer(phone.accessToken))).toBe("INVALID_TOKEN");
});

it("finds nothing that is gone, another's, or of no sign-in", async () => {
  const phone = await signIn();
  const ben = await backstay.signUp();
  expect(await revokeRefused(phone.deviceId, ben.token)).toEqual(NOT_FOUND);
  await revoke(phone.deviceId);
  for (const id of [phone.deviceId, "0190163d8694739b8b1fcb8dd4e60777", "nobody"]) {
    expect(await revokeRefused(id)).toEqual(NOT_FOUND);
  }
  expect(await revokeRefused("")).toMatchObject({ reason: "INVALID_FIELD", fields: ["deviceId"] });
});

it("leaves no living token of the sign-in, also when a refresh crosses it", async () => {
  for (let round = 0; round < 10; round++) {
    const { refreshToken, deviceId } = await signIn();
    const refresh = connectJson(backstay.url, "auth.v1.AuthService/Refresh", { refreshToken });
    const [{ json }] = await Promise.all([refresh, revoke(deviceId)]);
    if (json.tokens === undefined) continue;
    expect(await knownBy(backstay.url, bearer(json.tokens.accessToken))).toBe("INVALID_TOKEN");
  }
});

it("is written down, once", async () => {
  const phone = await signIn();
  await revoke(phone.deviceId);
  await revokeRefused(phone.deviceId);
  expect(await auditOf(backstay, ada.id, "device.revoked")).toEqual([
    { actorId: ada.id, detail: { device: phone.deviceId } },
  ]);
});
