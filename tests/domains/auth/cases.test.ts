import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { get, post } from "../../compat/predecessor.js";
import { openSocket } from "../../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply, request } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused, upTo } from "../support.js";
import { makeKey } from "./api-key-house.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

// What a product of this kind must withstand, where no verb's own tests are the place for it.

const CREATE = "accounts.v1.AccountService/CreateAccount";
const UPDATE = "accounts.v1.AccountService/UpdateAccount";
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

describe("case 24: a login that is taken", () => {
  it("is told of as such, and only as often as an address may ask", async () => {
    const limited = await startBackstay({ "limits.rate": "on", "limits.secrets_per_minute": "5" });
    const somebody = { login: "taken", secret: "long enough", name: "T" };
    await curl(limited, CREATE, somebody);
    const reasons: string[] = [];
    for (const _ of upTo(8)) reasons.push((await curlRefused(limited, CREATE, somebody)).reason);
    expect(reasons[0]).toBe("LOGIN_TAKEN");
    expect(reasons.at(-1)).toBe("RATE_LIMITED");
    expect(new Set(reasons)).toEqual(new Set(["LOGIN_TAKEN", "RATE_LIMITED"]));
    await limited.stop();
  });
});

describe("case 30: nobody gives himself what is not his to give", () => {
  const json = { "content-type": "application/json" };
  const rest = (method: string, path: string, body: object, headers = {}): Promise<Reply> =>
    request(backstay.url + path, { method, headers: { ...json, ...headers }, body: JSON.stringify(body) });
  const somebody = (login: string) => ({ login, secret: "long enough", name: "S" });
  const outcome = ({ status, reason }: Reply) => [status, reason];
  const isUntouched = async () => {
    const { account } = await ada.client.accounts.getAccount({});
    expect(account).toMatchObject({ id: ada.id, login: ada.login, roles: [], name: `Name of ${ada.login}` });
  };

  it("not roles on signing up, by Connect, REST and compat", async () => {
    const asked = { ...somebody("c30 role"), roles: ["admin"] };
    expect(outcome(await connectJson(backstay.url, CREATE, asked))).toEqual([403, "ADMIN_REQUIRED"]);
    expect(outcome(await rest("POST", "/v1/accounts", asked))).toEqual([403, "ADMIN_REQUIRED"]);
    const byCompat = await post(backstay, "/account/add", { ...somebody("c30 role"), type: "admin" });
    expect(byCompat.status).toBe(403);
    // The login is free: nothing was made.
    await curl(backstay, CREATE, somebody("c30 role"));
  });

  it.each(["id", "type", "mtime", "secretHash", "status", "createTime"])(
    "not %s on signing up, which the message does not have",
    async (field) => {
      const asked = { ...somebody(`c30 ${field}`), [field]: "admin" };
      expect(outcome(await connectJson(backstay.url, CREATE, asked))).toEqual([400, "UNKNOWN_FIELD"]);
      expect(outcome(await rest("POST", "/v1/accounts", asked))).toEqual([400, "UNKNOWN_FIELD"]);
    },
  );

  it("not id and mtime on signing up by compat, where they are passed over", async () => {
    const asked = { ...somebody("c30 compat"), id: ada.id, mtime: 1, secretHash: "x" };
    const { status, json } = await post(backstay, "/account/add", asked);
    expect(status).toBe(200);
    expect(json.id).not.toBe(ada.id);
    expect(json.mtime).toBeGreaterThan(1);
    const { login, secret } = asked;
    expect((await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret })).status).toBe(200);
  });

  it.each([
    ["roles", ["admin"]],
    ["login", "another"],
    ["status", "ACCOUNT_STATUS_BANNED"],
    ["emailVerified", true],
    ["createTime", "2000-01-01T00:00:00Z"],
    ["updateTime", "2000-01-01T00:00:00Z"],
  ])("not %s afterwards, by Connect and REST", async (field, value) => {
    const account = { id: "me", name: "Changed", [field]: value };
    const connect = await connectJson(
      backstay.url,
      UPDATE,
      { account, updateMask: `name,${field}` },
      bearer(ada.token),
    );
    expect(outcome(connect)).toEqual([403, "FIELD_FORBIDDEN"]);
    const patched = await rest("PATCH", "/v1/accounts/me", { name: "Changed", [field]: value }, bearer(ada.token));
    expect(outcome(patched)).toEqual([403, "FIELD_FORBIDDEN"]);
    expect(patched.json.message).toContain(field);
    await isUntouched();
  });

  it.each(["type", "mtime", "secretHash"])("not %s afterwards, which the message does not have", async (field) => {
    const account = { name: "Changed", [field]: "admin" };
    const connect = await connectJson(backstay.url, UPDATE, { account, updateMask: "name" }, bearer(ada.token));
    expect(outcome(connect)).toEqual([400, "UNKNOWN_FIELD"]);
    const patched = await rest("PATCH", "/v1/accounts/me", account, bearer(ada.token));
    expect(outcome(patched)).toEqual([400, "UNKNOWN_FIELD"]);
    await isUntouched();
  });

  it.each(["type", "id", "login", "mtime", "ctime"])("not %s afterwards by compat", async (field) => {
    const headers = bearer(ada.token);
    const byPost = await post(backstay, "/account/update", { name: "Changed", [field]: "1" }, undefined, headers);
    const byGet = await get(backstay, `/account/update?name=Changed&${field}=1`, undefined, headers);
    expect([byPost.status, byGet.status]).toEqual([403, 403]);
    await isUntouched();
  });
});

describe("case 32: of a deleted account", () => {
  const remove = () => curl(backstay, "accounts.v1.AccountService/DeleteAccount", { id: "me" }, ada.token);
  const signed = (path: string, secret: string, contentType = "application/json") => ({
    "bk-signature": sign({
      login: ada.login,
      secret,
      method: "POST",
      url: `${backstay.url}/backstay.${path}`,
      contentType,
    }),
  });

  it("tokens, cookies, API keys and signatures prove nothing any more", async () => {
    const { login, secret } = ada;
    const signedIn = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, cookie: true });
    const { accessToken, refreshToken } = signedIn.json.tokens;
    const { key } = await makeKey(backstay, ada.token);
    const signing = "a secret to sign with";
    const change = { old: secret, new: signing, signatures: true };
    await curl(backstay, "auth.v1.AuthService/ChangeSecret", change, accessToken);
    const current = "auth.v1.AuthService/GetCurrent";
    const proofs = [bearer(accessToken), withCookie(givenCookie(signedIn)), bearer(key)];
    // The server has just seen each of them.
    for (const proof of proofs) expect(await knownBy(backstay.url, proof)).toContain(ada.id);
    expect(await knownBy(backstay.url, signed(current, signing))).toBe(`${ada.id} by signature`);
    ada.token = accessToken;
    await remove();
    for (const proof of proofs) expect(await knownBy(backstay.url, proof)).toBe("INVALID_TOKEN");
    expect(await knownBy(backstay.url, signed(current, signing))).toBe("INVALID_SIGNATURE");
    const refreshed = await curlRefused(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
    expect(refreshed).toMatchObject({ code: "unauthenticated", reason: "INVALID_TOKEN" });
  });

  it("streams and sockets end within a second, whatever opened them", async () => {
    const { secret: old } = ada;
    const signing = "a secret to sign with";
    await curl(backstay, "auth.v1.AuthService/ChangeSecret", { old, new: signing, signatures: true }, ada.token);
    const { key } = await makeKey(backstay, ada.token);
    const streams = [
      await standingStream(backstay, ada.token),
      await standingStream(backstay, key),
      await openStream(backstay, undefined, {}, signed(SUBSCRIBE, signing, "application/connect+json")),
    ];
    const sockets = [
      await openSocket(backstay.url, { protocols: ["backstay.v1", `bearer.${ada.token}`] }),
      await openSocket(backstay.url, { headers: bearer(key) }),
    ];
    await remove();
    for (const stream of streams) expect((await stream.end(1_000)).refused).toEqual(REVOKED);
    for (const socket of sockets) expect(await socket.closed(1_000)).toEqual({ code: 4401, reason: "TOKEN_REVOKED" });
  });
});
