import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { bearer, curl, curlRefused, eventually, openDatabase, operatorToken } from "../support.js";
import { makeKey, sendSigned } from "./api-key-house.js";

const SEND = "messages.v1.MessageService/SendMessage";
const LIST = "messages.v1.MessageService/ListMessages";
const CURRENT = "auth.v1.AuthService/GetCurrent";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

/** How calls with a key of these scopes are answered: `ok`, or the reason of the refusal. */
async function answers(scopes: string[], token = ada.token) {
  const { key } = await makeKey(backstay, token, { scopes });
  return async (path: string, body: object = {}): Promise<string> => {
    const { status, reason } = await connectJson(backstay.url, path, body, bearer(key));
    return status === 200 ? "ok" : String(reason);
  };
}

const message = () => ({ recipientId: ben.id, text: "hello" });

describe("case 46: outside of its scopes a key is refused", () => {
  it.each<[string, string[], { list: string; send: string; current: string }]>([
    ["all", ["*"], { list: "ok", send: "ok", current: "ok" }],
    ["reads of a domain", ["messages:read"], { list: "ok", send: "SCOPE_MISSING", current: "SCOPE_MISSING" }],
    ["changes of a domain", ["messages:write"], { list: "SCOPE_MISSING", send: "ok", current: "SCOPE_MISSING" }],
    ["one RPC", ["MessageService/SendMessage"], { list: "SCOPE_MISSING", send: "ok", current: "SCOPE_MISSING" }],
    ["RPCs by pattern", ["*Service/List*", "auth:read"], { list: "ok", send: "SCOPE_MISSING", current: "ok" }],
    [
      "another domain's",
      ["accounts:read", "jobs:write"],
      { list: "SCOPE_MISSING", send: "SCOPE_MISSING", current: "SCOPE_MISSING" },
    ],
  ])("%s", async (_, scopes, expected) => {
    const ask = await answers(scopes);
    expect({ list: await ask(LIST), send: await ask(SEND, message()), current: await ask(CURRENT) }).toEqual(expected);
  });

  it("as permission_denied, by REST and when it signs too", async () => {
    const made = await makeKey(backstay, ada.token, { scopes: ["auth:read"] });
    const { status, json } = await connectJson(backstay.url, LIST, {}, bearer(made.key));
    expect([status, json.code]).toEqual([403, "permission_denied"]);
    const signed = await sendSigned(made, { url: `${backstay.url}/v1/messages` });
    expect([signed.status, signed.reason]).toEqual([403, "SCOPE_MISSING"]);
  });

  it.each([
    [LIST, "messages:read"],
    [SEND, "messages:write"],
    ["auth.v1.AuthService/CreateApiKey", "auth:write"],
    ["accounts.v1.AccountService/SetAccountStatus", "auth:write"],
  ])("naming the scope that %s needs: %s", async (rpc, scope) => {
    const { key } = await makeKey(backstay, ada.token, { scopes: ["history:read"] });
    const { json } = await connectJson(backstay.url, rpc, {}, bearer(key));
    expect(json.message).toBe(`The API key's scopes do not cover the method: it needs ${scope}.`);
  });

  it("and on what anyone may call it counts for nothing", async () => {
    const token = operatorToken(backstay);
    const ping = await answers(["messages:read"], token);
    expect(await ping("system.v1.SystemService/Ping")).toBe("ok");
    // As an administrator it could give roles.
    const account = { login: `by key ${Date.now()}`, secret: "long enough", name: "K", roles: ["admin"] };
    expect(await ping("accounts.v1.AccountService/CreateAccount", account)).toBe("ADMIN_REQUIRED");
  });
});

describe("what decides who gets in", () => {
  const CREATE_KEY = "auth.v1.AuthService/CreateApiKey";
  const CHANGE_SECRET = "auth.v1.AuthService/ChangeSecret";
  const makes = { name: "child", scopes: ["messages:read"] };

  it.each([["*"], ["AuthService/*"], ["*/*"]])("is not covered by %s", async (scope) => {
    const ask = await answers([scope]);
    expect(await ask(CREATE_KEY, makes)).toBe("SCOPE_MISSING");
    expect(await ask("auth.v1.AuthService/RevokeApiKey", { keyId: "0".repeat(32) })).toBe("SCOPE_MISSING");
    expect(await ask(CHANGE_SECRET, { old: ada.secret, new: "another secret" })).toBe("SCOPE_MISSING");
    expect(await ask("auth.v1.AuthService/StartSession")).toBe("SCOPE_MISSING");
  });

  it("is covered by auth:write", async () => {
    const { key } = await makeKey(backstay, ada.token, { scopes: ["auth:write", "messages:read"] });
    await curl(backstay, CREATE_KEY, makes, key);
    const wrong = await curlRefused(backstay, CHANGE_SECRET, { old: "wrong", new: "another secret" }, key);
    expect(wrong.reason).toBe("WRONG_SECRET");
  });

  it("even then gives no scope that the key does not have", async () => {
    const { key } = await makeKey(backstay, ada.token, { scopes: ["auth:write"] });
    const refused = await curlRefused(backstay, CREATE_KEY, { name: "child", scopes: ["auth:write", "*"] }, key);
    expect(refused).toEqual({ code: "permission_denied", reason: "SCOPE_MISSING", fields: ["scopes[1]"] });
    await curl(backstay, CREATE_KEY, { name: "child", scopes: ["auth:write"] }, key);
  });

  it("and the state of accounts", async () => {
    const change = { id: ben.id, status: "ACCOUNT_STATUS_BANNED" };
    const ask = await answers(["*"], operatorToken(backstay));
    expect(await ask("accounts.v1.AccountService/SetAccountStatus", change)).toBe("SCOPE_MISSING");
  });
});

describe("a key of an administrator makes itself nobody who may let in", () => {
  const CREATE = "accounts.v1.AccountService/CreateAccount";
  const UPDATE_ACCOUNT = "accounts.v1.AccountService/UpdateAccount";
  let made = 0;
  const admin = () => ({ login: `made ${made++}`, secret: "long enough", name: "M", roles: ["admin"] });
  const missing = (field: string) => ({ code: "permission_denied", reason: "SCOPE_MISSING", fields: [field] });

  it.each([["*"], ["accounts:write"], ["AccountService/*"]])(
    "by the roles of a new account, with %s",
    async (scope) => {
      const { key } = await makeKey(backstay, operatorToken(backstay), { scopes: [scope] });
      expect(await curlRefused(backstay, CREATE, admin(), key)).toEqual(missing("roles"));
      await curl(backstay, CREATE, { ...admin(), roles: [] }, key);
    },
  );

  it.each([["*"], ["accounts:write"]])("by an address that codes are mailed to, with %s", async (scope) => {
    const change = (id: string) => ({
      account: { id, email: "eve@example.com", phone: "1" },
      updateMask: "phone,email",
    });
    for (const [token, id] of [
      [operatorToken(backstay), ben.id],
      [ada.token, ada.id],
    ] as const) {
      const { key } = await makeKey(backstay, token, { scopes: [scope] });
      expect(await curlRefused(backstay, UPDATE_ACCOUNT, change(id), key)).toEqual(missing("account.email"));
      await curl(backstay, UPDATE_ACCOUNT, { account: { id, phone: "1" }, updateMask: "phone" }, key);
    }
  });

  it("but with auth:write it does", async () => {
    const { key } = await makeKey(backstay, operatorToken(backstay), { scopes: ["auth:write", "accounts:write"] });
    await curl(backstay, CREATE, admin(), key);
    const change = { account: { id: ben.id, email: "ben@example.com" }, updateMask: "email" };
    await curl(backstay, UPDATE_ACCOUNT, change, key);
  });

  it("by a job of the server's own, which mails codes", async () => {
    const job = { name: "backstay.auth.send_code", args: { accountId: ben.id } };
    for (const scopes of [["*"], ["auth:write", "*"]]) {
      const { key } = await makeKey(backstay, operatorToken(backstay), { scopes });
      expect(await curlRefused(backstay, "jobs.v1.JobService/SubmitJob", job, key)).toEqual({
        code: "permission_denied",
        reason: "FIELD_FORBIDDEN",
        fields: ["name"],
      });
    }
  });
});

describe("all that there is of an account", () => {
  const statusOf = async (scopes: string[]) => {
    const { key } = await makeKey(backstay, ada.token, { scopes });
    const headers = { ...bearer(key), accept: "application/x-ndjson" };
    const response = await fetch(`${backstay.url}/v1/accounts/me:export`, { headers });
    return [response.status, /SCOPE_MISSING/.test(await response.text())];
  };

  it.each([["accounts:read"], ["AccountService/*"], ["*/*"]])("is not covered by %s", async (scope) => {
    expect(await statusOf([scope])).toEqual([403, true]);
  });

  it("is covered by *, and can be named by no other scope", async () => {
    expect(await statusOf(["*"])).toEqual([200, false]);
    const named = { name: "k", scopes: ["AccountService/ExportAccount"] };
    expect(await curlRefused(backstay, "auth.v1.AuthService/CreateApiKey", named, ada.token)).toMatchObject({
      reason: "INVALID_FIELD",
      fields: ["scopes[0]"],
    });
  });
});

it("a key has its account's roles, and no more of them than it has now", async () => {
  const admin = await backstay.signUp();
  const sql = openDatabase(backstay);
  const { key } = await makeKey(backstay, admin.token);
  const statusOf = async () =>
    (await connectJson(backstay.url, "jobs.v1.JobService/ListQueues", {}, bearer(key))).status;
  expect(await statusOf()).toBe(403);
  for (const [roles, status] of [
    [["admin"], 200],
    [[], 403],
  ] as const) {
    await sql`update backstay.accounts set roles = ${[...roles]} where id = ${admin.id}`;
    // Nobody told the server, which remembers a key for a second.
    await eventually(10_000, `the answer is ${status}`, async () => ((await statusOf()) === status ? true : undefined));
  }
});
