import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken } from "../support.js";
import { makeKey, sendSigned } from "./api-key-house.js";

const REVOKE = "auth.v1.AuthService/RevokeApiKey";
const CURRENT = "auth.v1.AuthService/GetCurrent";

let backstay: TestBackstay;
let second: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
  second = await startBackstay({ "database.url": backstay.databaseUrl, secret });
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(async () => {
  await second.stop();
  await backstay.stop();
});

const revoke = (keyId: string, token: string) => curl(backstay, REVOKE, { keyId }, token);
const statusOf = async (on: TestBackstay, key: string) => (await connectJson(on.url, CURRENT, {}, bearer(key))).status;

it("case 46: ends the key here at once, and on every node within a second", async () => {
  const made = await makeKey(backstay, ada.token);
  const url = (on: TestBackstay) => `${on.url}/v1/auth/current`;
  for (const on of [backstay, second]) {
    expect(await statusOf(on, made.key)).toBe(200);
    expect((await sendSigned(made, { url: url(on) })).status).toBe(200);
  }
  expect(await revoke(made.id, ada.token)).toEqual({});
  expect(await statusOf(backstay, made.key)).toBe(401);
  expect((await sendSigned(made, { url: url(backstay) })).reason).toBe("INVALID_SIGNATURE");
  const gone = async () => ((await statusOf(second, made.key)) === 401 ? true : undefined);
  await eventually(1_000, "the other node refuses it", gone);
  const signedGone = async () => ((await sendSigned(made, { url: url(second) })).status === 401 ? true : undefined);
  await eventually(1_000, "the other node refuses what it signs", signedGone);
});

it("ends the streams that the key opened, on every node, and no other", async () => {
  const [one, other] = [await makeKey(backstay, ada.token), await makeKey(backstay, ada.token)];
  const streams = [await standingStream(backstay, one.key), await standingStream(second, one.key)];
  const spared = await standingStream(backstay, other.key);
  await revoke(one.id, ada.token);
  for (const stream of streams) expect((await stream.end(2_000)).refused?.reason).toBe("TOKEN_REVOKED");
  await ada.client.accounts.updateAccount({ account: { phone: "1" }, updateMask: { paths: ["phone"] } });
  expect((await spared.event(2_000)).type).toBe("account.update");
});

it("ends the streams of a key of the installation too", async () => {
  const token = operatorToken(backstay);
  const made = await makeKey(backstay, token);
  const stream = await standingStream(backstay, made.key, { topics: ["system/revocations"] });
  await revoke(made.id, token);
  expect((await stream.end(2_000)).refused?.reason).toBe("TOKEN_REVOKED");
  expect(await statusOf(backstay, made.key)).toBe(401);
});

it("is for one's own keys, and for administrators", async () => {
  const { id, key } = await makeKey(backstay, ada.token);
  const refused = { code: "not_found", reason: "API_KEY_NOT_FOUND", fields: ["keyId"] };
  for (const keyId of [id, "0".repeat(32), "no id"]) {
    expect(await curlRefused(backstay, REVOKE, { keyId }, ben.token)).toEqual(refused);
  }
  expect(await statusOf(backstay, key)).toBe(200);
  await revoke(id, operatorToken(backstay));
  expect(await curlRefused(backstay, REVOKE, { keyId: id }, ada.token)).toEqual(refused);
});

it("is written in the audit log", async () => {
  const { id } = await makeKey(backstay, ada.token);
  await revoke(id, ada.token);
  const sql = openDatabase(backstay);
  const written = async () =>
    (
      await sql`select account_id from (
        select type, account_id, detail from backstay.audit_log
        union all select type, account_id, detail from backstay.audit_inbox
      ) as entries where type = 'api_key.revoked' and detail like ${`%${id}%`}`
    )[0];
  const entry = await eventually(10_000, "the entry is written", written);
  expect(String(entry.account_id).replaceAll("-", "")).toBe(ada.id);
});

it("is not needed after a change of the secret, which keys outlive", async () => {
  const cara = await backstay.signUp();
  const { key } = await makeKey(backstay, cara.token);
  const change = { old: cara.secret, new: "another secret" };
  await curl(backstay, "auth.v1.AuthService/ChangeSecret", change, cara.token);
  expect(await statusOf(backstay, key)).toBe(200);
});
