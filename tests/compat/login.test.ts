import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKey } from "../domains/auth/api-key-house.js";
import { turnOn } from "../domains/auth/authenticator.js";
import { openDatabase, operatorToken } from "../domains/support.js";
import { openSocket } from "../http/socket/client.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Signer } from "./predecessor.js";

let backstay: TestBackstay;
let ann: Signer;
beforeAll(async () => {
  backstay = await startBackstay();
  ann = await addAccount(backstay, "Ann");
});
afterAll(() => backstay.stop());

const cookieOf = (headers: Headers) => headers.getSetCookie()[0]?.split(";", 1)[0] ?? "";
/** What browsers say of a page of the server's own. */
const ownPage = () => ({ origin: backstay.url });
const form = (text: Record<string, string>) => new URLSearchParams(text);

it("/ping answers anyone, by GET, HEAD and POST", async () => {
  expect(await get(backstay, "/ping")).toMatchObject({ status: 200, json: {} });
  expect((await post(backstay, "/ping", {})).status).toBe(200);
  expect((await fetch(`${backstay.url}/ping`, { method: "HEAD" })).status).toBe(200);
});

it("/auth answers the caller's record to a signature, and 401 to anyone else", async () => {
  expect((await get(backstay, "/auth", ann)).json).toMatchObject({ id: ann.id, login: ann.login, name: "Ann" });
  expect((await get(backstay, "/auth", { ...ann, secret: "wrong" })).json).toMatchObject({ status: 401 });
  expect((await get(backstay, "/auth")).json).toMatchObject({ status: 401 });
});

describe("/login", () => {
  it("answers the whole record for a login and its secret", async () => {
    const reply = await post(backstay, "/login", form({ login: ann.login, secret: ann.secret }));
    expect(reply).toMatchObject({ status: 200, json: { id: ann.id, login: ann.login, name: "Ann" } });
    expect(reply.headers.getSetCookie()).toEqual([]);
    expect(JSON.stringify(reply.json)).not.toMatch(/bs_|secret of/);
  });

  it("reads the form that fetch sends as text/plain, but from the server's own pages only", async () => {
    const body = new URLSearchParams({ login: ann.login, secret: ann.secret }).toString();
    const from = (headers: Record<string, string>) => post(backstay, "/login", body, undefined, headers);
    expect((await from({ origin: backstay.url })).status).toBe(200);
    expect((await from({ origin: "http://evil.example" })).status).toBe(415);
  });

  it("leaves no sign-in behind that nobody holds, and is told in the audit log", async () => {
    const fay = await addAccount(backstay, "Fay");
    const login = (more = {}) => post(backstay, "/login", form({ login: fay.login, secret: fay.secret, ...more }));
    const { tokens } = await backstay.anonymous().auth.signIn({ login: fay.login, secret: fay.secret });
    const authorization = `Bearer ${tokens!.accessToken}`;
    const devices = async () =>
      (await fetch(`${backstay.url}/v1/auth/devices`, { headers: { authorization } }).then((answer) => answer.json()))
        .devices.length;
    const signIns = async () =>
      (
        await openDatabase(backstay)`select 1 from (
          select type, account_id from backstay.audit_log union all select type, account_id from backstay.audit_inbox
        ) as noted where type = 'sign_in.ok' and account_id = ${fay.id}`
      ).length;
    for (let i = 0; i < 3; i++) expect((await login()).json).toMatchObject({ id: fay.id, login: fay.login });
    expect([await devices(), await signIns()]).toEqual([1, 4]);
    expect((await login({ _session: "1" })).headers.getSetCookie()).not.toEqual([]);
    expect([await devices(), await signIns()]).toEqual([2, 5]);
  });

  it("tells who is banned so, with and without _session", async () => {
    const gus = await addAccount(backstay, "Gus");
    await openDatabase(backstay)`update backstay.accounts set status = 'banned' where id = ${gus.id}`;
    for (const _session of ["0", "1"]) {
      const reply = await post(backstay, "/login", form({ login: gus.login, secret: gus.secret, _session }));
      expect(reply.status).toBe(403);
    }
  });

  it("answers the same to an unknown login and a wrong secret", async () => {
    const replies = [
      await post(backstay, "/login", form({ login: ann.login, secret: "wrong" })),
      await post(backstay, "/login", form({ login: "nobody@test.com", secret: "wrong" })),
    ];
    expect(replies.map(({ status }) => status)).toEqual([401, 401]);
    expect(replies[0]!.json).toEqual(replies[1]!.json);
  });

  it("takes a code of the account's authenticator, or a recovery code, as `otp`", async () => {
    const eve = await addAccount(backstay, "Eve");
    const secrets = { login: eve.login, secret: eve.secret };
    const { tokens } = await backstay.anonymous().auth.signIn(secrets);
    const clock = { now: () => new Date(), advance() {}, set() {} };
    const { recoveryCodes } = await turnOn(backstay, tokens!.accessToken, clock);
    expect((await post(backstay, "/login", form(secrets))).json).toMatchObject({ status: 401 });
    const reply = await post(backstay, "/login", form({ ...secrets, otp: recoveryCodes[0]! }));
    expect(reply).toMatchObject({ status: 200, json: { id: eve.id } });
  });

  it("says which parameter is missing", async () => {
    const { status, json } = await post(backstay, "/login", form({ login: ann.login }));
    expect({ status, json }).toEqual({
      status: 400,
      json: { status: 400, message: expect.stringContaining("secret") },
    });
  });

  it("case 29: takes secrets from a URL in development, as the manual shows, and not in serve", async () => {
    const url = `/login?${form({ login: ann.login, secret: ann.secret })}`;
    expect((await get(backstay, url)).status).toBe(200);
    const served = await startBackstay({ "limits.rate": "off" }, { development: false });
    try {
      const refused = await get(served, "/account/add?name=a&login=a@test.com&secret=longenough");
      expect(refused).toMatchObject({ status: 400, json: { message: expect.stringContaining("URL") } });
      expect(
        (await post(served, "/account/add?secret=x", form({ name: "a", login: "a", secret: "longenough" }))).status,
      ).toBe(400);
      expect((await post(served, "/account/add", form({ name: "a", login: "a", secret: "longenough" }))).status).toBe(
        200,
      );
      expect(served.log()).not.toContain("longenough");
    } finally {
      await served.stop();
    }
  });
});

describe("sessions", () => {
  it("begin with /login?_session=1 and end with /logout", async () => {
    const signedIn = await post(backstay, "/login", form({ login: ann.login, secret: ann.secret, _session: "1" }));
    const cookie = cookieOf(signedIn.headers);
    expect(signedIn.headers.getSetCookie()[0]).toMatch(/^backstay_dev=.+HttpOnly.*SameSite=Lax/);
    expect((await get(backstay, "/auth", undefined, { cookie })).json.id).toBe(ann.id);
    const signedOut = await post(backstay, "/logout", {}, undefined, { cookie, ...ownPage() });
    expect(signedOut.status).toBe(200);
    expect(signedOut.headers.getSetCookie().join("\n")).toMatch(/^backstay_dev=;.*Max-Age=0/m);
    expect((await get(backstay, "/auth", undefined, { cookie })).status).toBe(401);
  });

  it("begin with a signed /account/get?_session=1 and end with _session=0", async () => {
    const begun = await get(backstay, "/account/get?_session=1", ann);
    expect(begun.json.id).toBe(ann.id);
    const cookie = cookieOf(begun.headers);
    expect((await get(backstay, "/account/get", undefined, { cookie })).json.id).toBe(ann.id);
    const ended = await post(backstay, "/account/get", { _session: 0 }, undefined, { cookie, ...ownPage() });
    expect(ended.json.id).toBe(ann.id);
    expect((await get(backstay, "/account/get", undefined, { cookie })).status).toBe(401);
  });

  it("end with _session=0 alone: what else proves the call stays", async () => {
    const person = await backstay.signUp();
    const bearer = { authorization: `Bearer ${person.token}` };
    const ended = await get(backstay, "/account/get?_session=0", undefined, bearer);
    expect(ended.json.id).toBe(person.id);
    expect(ended.headers.getSetCookie().join("\n")).toMatch(/^backstay_dev=;.*Max-Age=0/m);
    expect((await get(backstay, "/auth?_session=0", undefined, bearer)).json.id).toBe(person.id);
    const cookie = cookieOf(
      (await post(backstay, "/login", form({ login: person.login, secret: person.secret, _session: "1" }))).headers,
    );
    const both = { ...bearer, cookie, ...ownPage() };
    expect((await get(backstay, "/auth?_session=0", undefined, both)).json.id).toBe(person.id);
    expect((await get(backstay, "/auth", undefined, { cookie })).status).toBe(401);
    expect((await get(backstay, "/auth", undefined, bearer)).json.id).toBe(person.id);
  });

  it("are nothing to a socket that a token opened: _session=0 leaves it open", async () => {
    const person = await backstay.signUp();
    const socket = await openSocket(backstay.url, { headers: { authorization: `Bearer ${person.token}` } });
    expect(await socket.ask("/account/get?_session=0")).toMatchObject({ status: 200, id: person.id });
    expect(await socket.ask("/auth")).toMatchObject({ status: 200, id: person.id });
  });

  it("are nothing to an API key: _session=0 and /logout answer as ever", async () => {
    const person = await backstay.signUp();
    const bearer = async (...scopes: string[]) => ({
      authorization: `Bearer ${(await makeKey(backstay, person.token, { scopes })).key}`,
    });
    const reader = await bearer("accounts:read", "auth:read");
    for (const path of ["/account/get", "/auth"]) {
      expect((await get(backstay, `${path}?_session=0`, undefined, reader)).json.id).toBe(person.id);
    }
    for (const headers of [
      reader,
      await bearer("auth:write"),
      { authorization: `Bearer ${operatorToken(backstay)}` },
    ]) {
      expect(await get(backstay, "/logout", undefined, headers)).toMatchObject({ status: 200, json: {} });
    }
    expect((await get(backstay, "/auth", undefined, reader)).json.id).toBe(person.id);
    // What begins a session still takes the scope that it needs.
    expect((await get(backstay, "/auth?_session=1", undefined, reader)).status).toBe(403);
  });

  it("end with /logout also where a proof that has no sign-in, or a dead one, came beside the cookie", async () => {
    const person = await backstay.signUp();
    const begun = async () => {
      const secrets = form({ login: person.login, secret: person.secret, _session: "1" });
      return cookieOf((await post(backstay, "/login", secrets)).headers);
    };
    const statusOf = async (cookie: string) => (await get(backstay, "/auth", undefined, { cookie })).status;
    const reader = await makeKey(backstay, person.token, { scopes: ["messages:read"] });
    const leaver = await makeKey(backstay, person.token, { scopes: ["auth:write"] });
    for (const token of [reader.key, leaver.key, operatorToken(backstay), "bs_at_no-such-token"]) {
      const cookie = await begun();
      const beside = { cookie, authorization: `Bearer ${token}` };
      const elsewhere = { ...beside, origin: "http://evil.example" };
      await post(backstay, "/logout", {}, undefined, elsewhere);
      expect(await statusOf(cookie)).toBe(200);
      const { status, json, headers } = await post(backstay, "/logout", {}, undefined, beside);
      expect({ status, json }).toEqual({ status: 200, json: {} });
      expect(headers.getSetCookie().join("\n")).toMatch(/^backstay_dev=;.*Max-Age=0/m);
      expect(await statusOf(cookie)).toBe(401);
      expect(await post(backstay, "/logout", {}, undefined, beside)).toMatchObject({ status: 200, json: {} });
    }
    expect((await get(backstay, "/auth", undefined, { authorization: `Bearer ${person.token}` })).status).toBe(200);
  });

  it("end with _session=0 together with a token of the same sign-in", async () => {
    const { login, secret } = await backstay.signUp();
    const signIn = { method: "POST", headers: { "content-type": "application/json", ...ownPage() } };
    const body = JSON.stringify({ login, secret, cookie: true });
    const signedIn = await fetch(`${backstay.url}/v1/auth/sign-in`, { ...signIn, body });
    const bearer = { authorization: `Bearer ${(await signedIn.json()).tokens.accessToken}` };
    const both = { ...bearer, cookie: cookieOf(signedIn.headers), ...ownPage() };
    expect((await get(backstay, "/auth?_session=0", undefined, both)).status).toBe(200);
    expect((await get(backstay, "/auth", undefined, bearer)).status).toBe(401);
  });

  it("are not begun a second time by the same signed URL", async () => {
    const { signature } = await import("./predecessor.js");
    const url = `${backstay.url}/account/get?_session=1`;
    const headers = { "bk-signature": signature(ann, { method: "GET", url }) };
    expect((await fetch(url, { headers })).status).toBe(200);
    const again = await fetch(url, { headers });
    expect(again.status).toBe(401);
    expect(again.headers.getSetCookie()).toEqual([]);
  });

  it("do not let another site, or a link, change anything", async () => {
    const { headers } = await post(backstay, "/login", form({ login: ann.login, secret: ann.secret, _session: "1" }));
    const cookie = cookieOf(headers);
    const update = "/account/update?gender=x";
    const by = async (more: Record<string, string>) =>
      (await get(backstay, update, undefined, { cookie, ...more })).status;
    expect(await by({})).toBe(403);
    expect(await by({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await by({ "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" })).toBe(200);
    const posted = async (origin: string) =>
      (await post(backstay, "/account/update", { gender: "y" }, undefined, { cookie, origin })).status;
    expect(await posted("http://evil.example")).toBe(403);
    expect(await posted(backstay.url)).toBe(200);
    // What says nothing of a page may be anyone's form.
    expect((await post(backstay, "/account/update", { gender: "z" }, undefined, { cookie })).status).toBe(403);
  });

  it("/logout is quiet about who was not signed in, and takes a dead cookie back", async () => {
    expect(await get(backstay, "/logout")).toMatchObject({ status: 200, json: {} });
    const dead = { cookie: "backstay_dev=bs_ct_dead", ...ownPage() };
    const { status, headers } = await post(backstay, "/logout", {}, undefined, dead);
    expect(status).toBe(200);
    expect(headers.getSetCookie().join("\n")).toMatch(/^backstay_dev=;.*Max-Age=0/m);
  });
});
