import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openSocket } from "../../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { auditOf } from "../audit.js";
import { givenCookie, knownBy, withCookie } from "../auth/cookies.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken } from "../support.js";

const SET = "accounts.v1.AccountService/SetAccountStatus";
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

type Answer = { account: { status: string } };
const set = (status: string, more: object = {}, id = ada.id) =>
  curl<Answer>(backstay, SET, { id, status: `ACCOUNT_STATUS_${status}`, ...more }, operatorToken(backstay));
const ban = () => set("BANNED");
const signIn = (secret = ada.secret, cookie = false) =>
  connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login: ada.login, secret, cookie });
const signed = (path: string, contentType = "application/json") => ({
  "bk-signature": sign({ ...ada, method: "POST", url: `${backstay.url}/backstay.${path}`, contentType }),
});

async function changeToSigning(): Promise<void> {
  const { secret: old } = ada;
  ada.secret = "a secret to sign with";
  await curl(backstay, "auth.v1.AuthService/ChangeSecret", { old, new: ada.secret, signatures: true }, ada.token);
}

it("answers the account with its status, which it and administrators see", async () => {
  expect((await ban()).account.status).toBe("ACCOUNT_STATUS_BANNED");
  expect((await set("ACTIVE")).account.status).toBe("ACCOUNT_STATUS_ACTIVE");
  const ben = await backstay.signUp();
  expect((await ben.client.accounts.getAccount({ id: ada.id })).account?.status).toBe(0);
});

describe("a banned account", () => {
  it("is signed out everywhere at once: tokens, cookies, refresh tokens", async () => {
    const other = await signIn(ada.secret, true);
    const { accessToken, refreshToken } = other.json.tokens;
    const cookie = givenCookie(other);
    // The server has just seen them.
    expect(await knownBy(backstay.url, bearer(accessToken))).toBe(`${ada.id} by token`);
    expect(await knownBy(backstay.url, withCookie(cookie))).toBe(`${ada.id} by cookie`);
    await ban();
    for (const headers of [bearer(ada.token), bearer(accessToken), withCookie(cookie)]) {
      expect(await knownBy(backstay.url, headers)).toBe("INVALID_TOKEN");
    }
    const refreshed = await curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
    expect(refreshed.reason).toBe("INVALID_TOKEN");
  });

  it("has its streams and sockets ended within a second, also those that a signature opened", async () => {
    await changeToSigning();
    const stream = await standingStream(backstay, ada.token);
    const bySignature = await openStream(backstay, undefined, {}, signed(SUBSCRIBE, "application/connect+json"));
    await bySignature.next();
    const socket = await openSocket(backstay.url, { protocols: ["backstay.v1", `bearer.${ada.token}`] });
    await ban();
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
    expect((await bySignature.end(1_000)).refused).toEqual(REVOKED);
    expect(await socket.closed(1_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
  });

  it("proves nothing by a signature", async () => {
    await changeToSigning();
    const current = "auth.v1.AuthService/GetCurrent";
    expect(await knownBy(backstay.url, signed(current))).toBe(`${ada.id} by signature`);
    await ban();
    expect(await knownBy(backstay.url, signed(current))).toBe("INVALID_SIGNATURE");
  });

  it("proves nothing by an API key, nor is what that has opened left open", async () => {
    const made = await curl<{ key: string }>(
      backstay,
      "auth.v1.AuthService/CreateApiKey",
      { name: "k", scopes: ["*"] },
      ada.token,
    );
    const stream = await standingStream(backstay, made.key);
    expect(await knownBy(backstay.url, bearer(made.key))).toBe(`${ada.id} by api_key`);
    await ban();
    expect(await knownBy(backstay.url, bearer(made.key))).toBe("INVALID_TOKEN");
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
    await set("ACTIVE");
    expect(await knownBy(backstay.url, bearer(made.key))).toBe(`${ada.id} by api_key`);
  });

  it("is told so by the right secret, and by that alone", async () => {
    const wrong = await signIn("wrong");
    await ban();
    expect(await signIn()).toMatchObject({ status: 403, reason: "ACCOUNT_BANNED" });
    const banned = await signIn("wrong");
    expect([banned.status, banned.json]).toEqual([wrong.status, wrong.json]);
  });

  it("stays signed out on another node, within a second", async () => {
    const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
    const node = await startBackstay({ "database.url": backstay.databaseUrl, secret });
    const stream = await standingStream(node, ada.token);
    await ban();
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
    await eventually(1_000, "the token is forgotten", async () =>
      (await knownBy(node.url, bearer(ada.token))) === "INVALID_TOKEN" ? true : undefined,
    );
    await node.stop();
  });

  it("keeps its data, and may sign in again when the ban is lifted", async () => {
    await ban();
    await set("ACTIVE");
    const { status, json } = await signIn();
    expect([status, json.account.id]).toEqual([200, ada.id]);
    expect(await knownBy(backstay.url, bearer(ada.token))).toBe("INVALID_TOKEN");
  });

  it("leaves no living token of a sign-in or refresh that crosses the ban", async () => {
    for (let round = 0; round < 5; round++) {
      ada = await backstay.signUp();
      const { refreshToken } = (await signIn()).json.tokens;
      const crossing = [signIn(), signIn(), connectJson(backstay.url, "auth.v1.AuthService/Refresh", { refreshToken })];
      const banned = ban();
      const made = await Promise.all(crossing);
      await banned;
      for (const { json, reason } of made) {
        if (json.tokens === undefined) expect(["ACCOUNT_BANNED", "INVALID_TOKEN"]).toContain(reason);
        else expect(await knownBy(backstay.url, bearer(json.tokens.accessToken))).toBe("INVALID_TOKEN");
      }
    }
  });
});

describe("the last administrator", () => {
  it("is not banned, as nobody could lift it", async () => {
    await openDatabase(backstay)`update backstay.accounts set roles = '{}'`;
    const grant = (id: string) =>
      curl(backstay, "auth.v1.AuthService/GrantRole", { id, role: "admin" }, operatorToken(backstay));
    await grant(ada.id);
    const refused = await curlRefused(
      backstay,
      SET,
      { id: ada.id, status: "ACCOUNT_STATUS_BANNED" },
      operatorToken(backstay),
    );
    expect(refused).toEqual({ code: "failed_precondition", reason: "LAST_ADMIN", fields: [] });
    const ben = await backstay.signUp();
    await grant(ben.id);
    await ban();
  });
});

it("is written down with its reason, when it changed anything", async () => {
  await set("ACTIVE");
  await set("BANNED", { reason: "spam" });
  await set("BANNED", { reason: "again" });
  await set("ACTIVE");
  const entries = await auditOf(backstay, ada.id, "account.status_changed");
  expect(entries.map(({ detail }) => detail)).toEqual([
    { status: "banned", reason: "spam" },
    { status: "active", reason: "" },
  ]);
});

it("is for administrators, of accounts that there are, and says which status", async () => {
  const body = { id: ada.id, status: "ACCOUNT_STATUS_BANNED" };
  expect((await curlRefused(backstay, SET, body, ada.token)).reason).toBe("ADMIN_REQUIRED");
  const nobody = await curlRefused(backstay, SET, { ...body, id: "nobody" }, operatorToken(backstay));
  expect(nobody).toEqual({ code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["id"] });
  const none = await curlRefused(backstay, SET, { id: ada.id }, operatorToken(backstay));
  expect(none).toMatchObject({ reason: "INVALID_FIELD", fields: ["status"] });
});
