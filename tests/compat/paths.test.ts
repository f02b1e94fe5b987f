import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeKey } from "../domains/auth/api-key-house.js";
import { signForm } from "../domains/auth/signature-lines.js";
import { bearer, operatorToken } from "../domains/support.js";
import { openSocket } from "../http/socket/client.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { connectJson, request } from "../support/http-request.js";
import { addAccount, get, post, type Signer } from "./predecessor.js";

const form = (fields: Record<string, string>) => new URLSearchParams(fields);

describe("rules by path", () => {
  let backstay: TestBackstay;
  let ann: Signer;
  let admin: Record<string, string>;
  beforeAll(async () => {
    backstay = await startBackstay({
      "compat.allow_path": "^/account/(get|select|update)$|^/message/get|^/account/subscribe$",
      "compat.disallow_path": "^/account/add$|^/account/update$|unread",
      "compat.allow_admin": "^/account/(select|put/secret)$|^/message/read$",
      "compat.deny_path": "^/message/(add|read)$",
    });
    admin = bearer(operatorToken(backstay));
    const [login, secret] = ["ann@test.com", "secret of ann"];
    const { json } = await post(backstay, "/account/add", form({ name: "Ann", login, secret }), undefined, admin);
    ann = { id: json.id, login, secret };
  });
  afterAll(() => backstay?.stop());

  it("allow: a path is open to those who do not sign, by GET and POST, and to nobody's harm who does", async () => {
    expect(await get(backstay, `/account/get?id=${ann.id}`)).toMatchObject({ status: 200, json: [{ id: ann.id }] });
    expect(await post(backstay, "/account/get", form({ id: ann.id }))).toMatchObject({ status: 200 });
    expect(await get(backstay, "/account/get", ann)).toMatchObject({ status: 200, json: { login: ann.login } });
    // Who does not sign as he meant to hears so.
    const wrong = { ...ann, secret: "another secret" };
    expect(await get(backstay, `/account/get?id=${ann.id}`, wrong)).toMatchObject({ status: 401 });
    expect(await get(backstay, "/account/get", undefined, bearer("bs_at_no-such-token"))).toMatchObject({
      status: 401,
    });
    // What is about the caller's own still needs one.
    expect(await get(backstay, "/account/get")).toMatchObject({ status: 403 });
    expect(await get(backstay, "/message/get")).toMatchObject({ status: 403 });
  });

  it("disallow: a path that anyone could call is closed to those who are not signed in, and its RPC is not", async () => {
    const fields = { name: "Ben", login: "ben@test.com", secret: "a secret" };
    expect(await post(backstay, "/account/add", form(fields))).toMatchObject({ status: 401, json: { status: 401 } });
    expect(await post(backstay, "/account/add", form(fields), ann)).toMatchObject({ status: 200 });
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ ...fields, login: "cleo@test.com" });
    expect(await request(`${backstay.url}/v1/accounts`, { headers, body })).toMatchObject({ status: 200 });
  });

  it("disallow wins over allow", async () => {
    expect(await get(backstay, "/message/get/unread")).toMatchObject({ status: 401 });
    expect(await get(backstay, "/message/get/unread", ann)).toMatchObject({ status: 200 });
    expect(await post(backstay, "/account/update", form({ alias: "a" }))).toMatchObject({ status: 401 });
  });

  it("admin: a path is for administrators, whatever else opens it", async () => {
    expect(await get(backstay, "/account/select")).toMatchObject({ status: 401 });
    expect(await get(backstay, "/account/select", ann)).toMatchObject({ status: 403, json: { status: 403 } });
    expect(await get(backstay, "/account/select", undefined, admin)).toMatchObject({ status: 200 });
    // Another path of the same RPC is as it was.
    expect(await get(backstay, "/account/search", ann)).toMatchObject({ status: 200 });
  });

  it("deny: a path is nobody's, and nobody is asked who he is", async () => {
    for (const path of ["/message/add?id=me&msg=a", "/message/read?sender=me&mtime=1"]) {
      for (const headers of [{}, admin, bearer("bs_at_no-such-token"), { "bk-signature": "nonsense" }]) {
        const refused = {
          status: 403,
          json: { status: 403, message: "This installation lets nobody call the method." },
        };
        expect(await get(backstay, path, undefined, headers)).toMatchObject(refused);
      }
    }
  });

  it("hold for a frame that is a path", async () => {
    const nobody = await openSocket(backstay.url);
    expect(await nobody.ask(`/account/get?id=${ann.id}`)).toMatchObject({ status: 200 });
    expect(await nobody.ask("/account/select")).toMatchObject({ status: 401 });
    expect(await nobody.ask("/message/add?id=me&msg=a")).toMatchObject({ status: 403 });
    const admins = await openSocket(backstay.url, { headers: admin });
    expect(await admins.ask("/account/select")).toMatchObject({ status: 200 });
    expect(await admins.ask("/message/add?id=me&msg=a")).toMatchObject({ status: 403 });
  });

  it("are not passed by spelling a path otherwise", async () => {
    for (const path of [
      "/message/%61dd",
      "//message/add",
      "/message/add/",
      "/message/add:",
      "/message/add;a=b",
      "/Message/add",
      "/message/./add",
      "/x/../message/add",
    ]) {
      expect((await request(`${backstay.url}${path}?id=me&msg=a`, { headers: admin })).status, path).toBe(404);
    }
    const { status } = await request(`${backstay.url}/message/add?id=me&msg=a&x=/account/get`, { headers: admin });
    expect(status).toBe(403);
  });
});

describe("a path where sessions count for nothing", () => {
  let backstay: TestBackstay;
  let ann: Signer;
  let session: Record<string, string>;
  beforeAll(async () => {
    backstay = await startBackstay({
      "compat.disable_session": "^/account/update$\n^/message/",
    });
    ann = await addAccount(backstay);
    const begun = await get(backstay, "/account/get?_session=1", ann, { "sec-fetch-site": "same-origin" });
    session = { cookie: begun.headers.getSetCookie()[0]!.split(";")[0]!, "sec-fetch-site": "same-origin" };
  });
  afterAll(() => backstay?.stop());

  const token = async () => {
    const { login, secret } = ann;
    const { json } = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret });
    return json.tokens.accessToken as string;
  };
  const update = (headers: Record<string, string>, signer?: Signer) =>
    post(backstay, "/account/update", form({ alias: "a" }), signer, headers);

  it("is closed to whoever only has one, and not to whoever signs or sends a token besides", async () => {
    expect((await get(backstay, "/account/get", undefined, session)).status).toBe(200);
    expect(await update(session)).toMatchObject({ status: 401, json: { status: 401 } });
    const old = signForm("2", { ...ann, url: backstay.url });
    const oldSession = { ...session, cookie: `bk-signature=${encodeURIComponent(old)}` };
    expect((await get(backstay, "/account/get", undefined, oldSession)).status).toBe(200);
    expect((await update(oldSession)).status).toBe(401);
    expect((await update(session, ann)).status).toBe(200);
    expect((await update({ ...session, ...bearer(await token()) })).status).toBe(200);
  });

  it("is closed to a frame of a socket that was opened by one", async () => {
    const { host } = new URL(backstay.url);
    const opened = await openSocket(backstay.url, { headers: { ...session, origin: `http://${host}` } });
    expect((await opened.ask("/account/get")).status).toBe(200);
    expect((await opened.ask("/account/update?alias=b")).status).toBe(401);
    const byToken = await openSocket(backstay.url, { headers: bearer(await token()) });
    expect((await byToken.ask("/account/update?alias=b")).status).toBe(200);
  });
});

describe("rules by RPC, at a path that may begin a session", () => {
  it("hold for the RPC, whatever else the request may ask for", async () => {
    const backstay = await startBackstay({
      "access.deny": "AccountService/BatchGetAccounts",
      "access.admin": "AuthService/GetCurrent",
    });
    try {
      const ann = await addAccount(backstay);
      expect((await get(backstay, "/account/get", ann)).status).toBe(403);
      expect((await post(backstay, "/account/get", form({ id: "me" }), ann)).status).toBe(403);
      expect((await get(backstay, "/account/get?_session=1", ann)).status).toBe(403);
      expect((await post(backstay, "/auth", form({ a: "b" }), ann)).status).toBe(403);
    } finally {
      await backstay.stop();
    }
  });

  it("hold for the session, and only where one is asked for", async () => {
    const backstay = await startBackstay({ "access.deny": "AuthService/StartSession" });
    try {
      const ann = await addAccount(backstay);
      expect((await post(backstay, "/auth", form({ a: "b" }), ann)).status).toBe(200);
      const refused = await post(backstay, "/auth", form({ _session: "1" }), ann);
      expect(refused.status).toBe(403);
      expect(refused.headers.getSetCookie()).toEqual([]);
    } finally {
      await backstay.stop();
    }
  });

  it("an API key may be used for what its scopes cover: the path, and the session as well", async () => {
    const backstay = await startBackstay();
    try {
      const ada = await backstay.signUp();
      const using = async (scope: string) => bearer((await makeKey(backstay, ada.token, { scopes: [scope] })).key);
      const reader = await using("accounts:read");
      expect((await get(backstay, "/account/get", undefined, reader)).status).toBe(200);
      expect((await post(backstay, "/account/get", form({ id: "me" }), undefined, reader)).status).toBe(200);
      const refused = await post(backstay, "/account/get", form({ id: "me", _session: "1" }), undefined, reader);
      expect(refused.status).toBe(403);
      expect(refused.headers.getSetCookie()).toEqual([]);
      const other = await using("auth:write");
      expect((await get(backstay, "/account/get?_session=1", undefined, other)).status).toBe(403);
    } finally {
      await backstay.stop();
    }
  });

  it("a path that is open to anyone begins no session of nobody", async () => {
    const backstay = await startBackstay({ "compat.allow_path": "^/account/get$" });
    try {
      const ann = await addAccount(backstay);
      const answer = await get(backstay, `/account/get?id=${ann.id}&_session=1`);
      expect(answer.status).toBe(401);
      expect(answer.headers.getSetCookie()).toEqual([]);
    } finally {
      await backstay.stop();
    }
  });
});
