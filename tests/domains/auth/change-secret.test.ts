import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, request } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { auditOf } from "../audit.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const CHANGE = "auth.v1.AuthService/ChangeSecret";
const REVOKED = { code: "unauthenticated", reason: "TOKEN_REVOKED", fields: [] };

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.secret_min_length": "8" });
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const fresh = "a new secret of ada";
const change = (body: object, token = ada.token) => curl(backstay, CHANGE, body, token);
const refused = (body: object, token?: string) => curlRefused(backstay, CHANGE, body, token);
const signIn = (secret: string, cookie = false) =>
  connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login: ada.login, secret, cookie });
const signedHeader = (secret: string, path: string, type = "application/json") => ({
  "bk-signature": sign({
    login: ada.login,
    secret,
    method: "POST",
    url: `${backstay.url}/backstay.${path}`,
    contentType: type,
  }),
});

it("makes the new secret the one to sign in with, and the old one wrong", async () => {
  expect(await change({ old: ada.secret, new: fresh })).toEqual({});
  expect((await signIn(fresh)).status).toBe(200);
  expect((await signIn(ada.secret)).reason).toBe("INVALID_CREDENTIALS");
});

it("keeps the sign-in that asked for it, with its stream", async () => {
  const stream = await standingStream(backstay, ada.token);
  await change({ old: ada.secret, new: fresh });
  expect(await knownBy(backstay.url, bearer(ada.token))).toBe(`${ada.id} by token`);
  const update = { account: { phone: "1" }, updateMask: "phone" };
  await curl(backstay, "accounts.v1.AccountService/UpdateAccount", update, ada.token);
  expect((await stream.event(1_000)).type).toBe("account.update");
});

it("case 31: ends every other sign-in: access and refresh tokens, cookies, and streams within a second", async () => {
  const other = await signIn(ada.secret, true);
  const { accessToken, refreshToken } = other.json.tokens;
  const cookie = givenCookie(other);
  // The server has just seen them.
  expect(await knownBy(backstay.url, bearer(accessToken))).toBe(`${ada.id} by token`);
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe(`${ada.id} by cookie`);
  const stream = await standingStream(backstay, accessToken);
  const byCookie = await openStream(backstay, undefined, {}, withCookie(cookie));
  await byCookie.next();
  await change({ old: ada.secret, new: fresh });
  expect(await knownBy(backstay.url, bearer(accessToken))).toBe("INVALID_TOKEN");
  expect(await knownBy(backstay.url, withCookie(cookie))).toBe("INVALID_TOKEN");
  expect(await curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken })).toMatchObject({
    reason: "INVALID_TOKEN",
  });
  expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  expect((await byCookie.end(1_000)).refused).toEqual(REVOKED);
});

it("leaves no living token of a refresh or a sign-in with the old secret that crosses it", async () => {
  for (let round = 0; round < 5; round++) {
    const person = await backstay.signUp();
    const { login, secret } = person;
    const signInOld = () => connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret });
    const { refreshToken } = (await signInOld()).json.tokens;
    const crossing = [
      ...[1, 2, 3].map(() => signInOld()),
      connectJson(backstay.url, "auth.v1.AuthService/Refresh", { refreshToken }),
    ];
    const changed = change({ old: secret, new: fresh }, person.token);
    const made = await Promise.all(crossing);
    await changed;
    for (const { json } of made) {
      if (json.tokens !== undefined)
        expect(await knownBy(backstay.url, bearer(json.tokens.accessToken))).toBe("INVALID_TOKEN");
    }
    expect(await knownBy(backstay.url, bearer(person.token))).toBe(`${person.id} by token`);
  }
});

it("is made by one of two changes that cross", async () => {
  const answers = await Promise.all(
    ["first", "second"].map((which) =>
      connectJson(backstay.url, CHANGE, { old: ada.secret, new: `${which} of two` }, bearer(ada.token)),
    ),
  );
  const reasons = answers.map(({ status, reason }) => (status === 200 ? "ok" : reason));
  expect(reasons).toContain("ok");
  expect(["CONFLICT", "WRONG_SECRET"]).toContain(reasons.find((reason) => reason !== "ok"));
});

describe("a refusal", () => {
  it.each([
    ["of a wrong old secret", { old: "wrong", new: fresh }, "unauthenticated", "WRONG_SECRET", "old"],
    ["of none", { new: fresh }, "unauthenticated", "WRONG_SECRET", "old"],
    ["of a new secret that is too short", { old: "x", new: "seven77" }, "invalid_argument", "SECRET_TOO_SHORT", "new"],
    ["of an empty new secret", { old: "x", new: "" }, "invalid_argument", "INVALID_FIELD", "new"],
  ])("case 31: %s names the field, and changes nothing", async (_, body, code, reason, field) => {
    expect(await refused(body, ada.token)).toEqual({ code, reason, fields: [field] });
    expect((await signIn(ada.secret)).status).toBe(200);
  });

  it("leaves the client signed in with the tokens it has: it is the secret that is wrong", async () => {
    const before = ada.client.auth.tokens;
    for (const old of ["wrong", ""]) {
      const reason = await ada.client.auth.changeSecret({ old, new: fresh }).catch((error) => error.reason);
      expect(reason).toBe("WRONG_SECRET");
    }
    expect(ada.client.auth.tokens).toEqual(before);
    expect((await ada.client.auth.getCurrent()).account?.id).toBe(ada.id);
  });

  it("is 401 by REST, which says nothing against the token", async () => {
    for (const body of [{ old: "wrong", new: fresh }, { new: fresh }]) {
      const answer = await request(`${backstay.url}/v1/auth/secret`, {
        method: "PUT",
        headers: { "content-type": "application/json", ...bearer(ada.token) },
        body: JSON.stringify(body),
      });
      expect([answer.status, answer.reason]).toEqual([401, "WRONG_SECRET"]);
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
    }
    expect(await knownBy(backstay.url, bearer(ada.token))).toBe(`${ada.id} by token`);
  });

  it("meets whoever is not signed in, and the installation's command line", async () => {
    expect(await refused({ old: "x", new: fresh })).toMatchObject({ reason: "TOKEN_MISSING" });
    const body = { old: "x", new: fresh };
    expect(await refused(body, operatorToken(backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
  });
});

describe("of an account that signs", () => {
  beforeEach(async () => {
    await change({ old: ada.secret, new: fresh, signatures: true });
  });

  it("needs no old secret when the call is signed, and ends every sign-in", async () => {
    const header = signedHeader(fresh, CHANGE);
    expect((await connectJson(backstay.url, CHANGE, { new: "newer still" }, header)).status).toBe(200);
    expect((await signIn("newer still")).status).toBe(200);
    expect(await knownBy(backstay.url, bearer(ada.token))).toBe("INVALID_TOKEN");
  });

  it("still compares an old secret that is given", async () => {
    const header = signedHeader(fresh, CHANGE);
    const { reason } = await connectJson(backstay.url, CHANGE, { old: "wrong", new: "newer still" }, header);
    expect(reason).toBe("WRONG_SECRET");
  });

  it("makes the new secret the one to sign with at once, also where the old one was just used", async () => {
    const current = "auth.v1.AuthService/GetCurrent";
    expect(await knownBy(backstay.url, signedHeader(fresh, current))).toBe(`${ada.id} by signature`);
    await change({ old: fresh, new: "newer still" });
    expect(await knownBy(backstay.url, signedHeader(fresh, current))).toBe("INVALID_SIGNATURE");
    expect(await knownBy(backstay.url, signedHeader("newer still", current))).toBe(`${ada.id} by signature`);
  });

  it("ends the streams that were opened by a signature", async () => {
    const subscribe = signedHeader(fresh, "events.v1.EventService/Subscribe", "application/connect+json");
    const stream = await openStream(backstay, undefined, {}, subscribe);
    expect(await stream.next()).toHaveProperty("ready");
    await change({ old: fresh, new: "newer still" });
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  });
});

it("ends the streams and tokens of other sign-ins on other nodes too, within a second or so", async () => {
  const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
  const node = await startBackstay({ "database.url": backstay.databaseUrl, secret });
  const token = (await signIn(ada.secret)).json.tokens.accessToken;
  const [stream, own] = [await standingStream(node, token), await standingStream(node, ada.token)];
  await change({ old: ada.secret, new: fresh });
  expect((await stream.end(2_000)).refused).toEqual(REVOKED);
  await eventually(2_000, "the token forgotten", async () =>
    (await knownBy(node.url, bearer(token))) === "INVALID_TOKEN" ? true : undefined,
  );
  await curl(
    node,
    "accounts.v1.AccountService/UpdateAccount",
    { account: { phone: "2" }, updateMask: "phone" },
    ada.token,
  );
  expect((await own.event(2_000)).type).toBe("account.update");
  await node.stop();
});

it("tells the other nodes by the event log, and which sign-in stays", async () => {
  await change({ old: ada.secret, new: fresh });
  const sql = openDatabase(backstay);
  const [event] = await sql`select data from backstay.events where type = 'auth.revoke' and actor_id = ${ada.id}
    union all select data from backstay.outbox where type = 'auth.revoke' and actor_id = ${ada.id}`;
  expect(event!.data).toEqual({ accountId: ada.id, exceptFamilyId: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

it("voids the codes that were sent to the account, and is written down", async () => {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.one_time_codes
      (account_id, purpose, target, code_mac, tries, created_at, expires_at)
    values (${ada.id}, 'reset-secret', 'ada@example.org', 'mac'::bytea, 0, now(), now() + interval '1 hour')`;
  await refused({ old: "wrong", new: fresh }, ada.token);
  const codes = async () => (await sql`select 1 from backstay.one_time_codes where account_id = ${ada.id}`).length;
  expect(await codes()).toBe(1);
  await change({ old: ada.secret, new: fresh });
  expect(await codes()).toBe(0);
  expect(await auditOf(backstay, ada.id, "secret.changed")).toEqual([{ actorId: ada.id, detail: {} }]);
});

it("leaves the client that changed it signed in", async () => {
  const ada = await backstay.signUp();
  await ada.client.auth.changeSecret({ old: ada.secret, new: "quite another secret" });
  expect((await ada.client.auth.getCurrent()).account?.id).toBe(ada.id);
  await ada.client.auth.signIn({ login: ada.login, secret: "quite another secret" });
});
