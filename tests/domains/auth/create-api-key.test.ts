import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { bearer, curl, curlRefused, eventually, flipped, openDatabase, operatorToken } from "../support.js";
import { makeKey, signUpAdmin } from "./api-key-house.js";

const CREATE = "auth.v1.AuthService/CreateApiKey";
const CURRENT = "auth.v1.AuthService/GetCurrent";
const LIST_ACCOUNTS = "accounts.v1.AccountService/ListAccounts";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let adminToken: string;
beforeAll(async () => {
  backstay = await startBackstay();
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  adminToken = await signUpAdmin(backstay);
});
afterAll(() => backstay.stop());

const create = (body: object, token: string) =>
  curl<{ apiKey: Record<string, unknown>; key: string }>(
    backstay,
    CREATE,
    { name: "k", scopes: ["*"], ...body },
    token,
  );
const createRefused = (body: object, token: string) =>
  curlRefused(backstay, CREATE, { name: "k", scopes: ["*"], ...body }, token);
const current = (key: string) => connectJson(backstay.url, CURRENT, {}, bearer(key));

describe("making an API key", () => {
  it("shows the key once, and its own account by it", async () => {
    const { apiKey, key } = await create({ name: "import", scopes: ["auth:read", "messages:read"] }, ada.token);
    expect(key).toMatch(/^bs_ak_[A-Za-z0-9_-]{43}$/);
    expect(apiKey).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      name: "import",
      accountId: ada.id,
      scopes: ["auth:read", "messages:read"],
      createTime: expect.any(String),
    });
    const { json } = await current(key);
    expect([json.account.id, json.via]).toEqual([ada.id, "api_key"]);
  });

  it.each(["fine\n0190163d8694739b8b1fcb8dd4e60777  forged", "red \u001b[31m", "a\u009b31m", "a\u2028b"])(
    "refuses a name that is more than a line: %j",
    async (name) => {
      const refused = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["name"] };
      expect(await createRefused({ name }, ada.token)).toEqual(refused);
    },
  );

  it("keeps the key nowhere as it is: by its hash, and sealed", async () => {
    const { id, key } = await makeKey(backstay, ada.token);
    const [row] = await openDatabase(backstay)`select * from backstay.api_keys where id = ${id}`;
    expect(row!.key_hash).toHaveLength(32);
    expect(row!.key_sealed.toString("latin1")).not.toContain(key.slice(6));
    expect(JSON.stringify(row)).not.toContain(key.slice(6, 20));
    expect(backstay.log()).not.toContain(key);
  });

  it("is written in the audit log, without the key", async () => {
    const { id, key } = await makeKey(backstay, ada.token);
    const sql = openDatabase(backstay);
    const written = async () =>
      (
        await sql`select type, actor_id, account_id, detail from (
          select type, actor_id, account_id, detail from backstay.audit_log
          union all select type, actor_id, account_id, detail from backstay.audit_inbox
        ) as entries where type = 'api_key.created' and detail like ${`%${id}%`}`
      )[0];
    const entry = await eventually(10_000, "the entry is written", written);
    expect(String(entry.account_id).replaceAll("-", "")).toBe(ada.id);
    expect(entry.detail).not.toContain(key.slice(6, 20));
  });

  it("is repeated by its idempotency key: the same key, also to who did not hear the first answer", async () => {
    const headers = { ...bearer(ada.token), "idempotency-key": "make-it-once" };
    const ask = (name: string) => connectJson(backstay.url, CREATE, { name, scopes: ["*"] }, headers);
    const [first, second] = [await ask("once"), await ask("once")];
    expect(second.json).toEqual(first.json);
    expect((await ask("another")).reason).toBe("IDEMPOTENCY_MISMATCH");
  });

  it.each([
    ["no scope", { scopes: [] }, "scopes"],
    ["a scope that is none", { scopes: ["*", "messages:delete"] }, "scopes[1]"],
    ["a scope without a method", { scopes: ["MessageService"] }, "scopes[0]"],
    ["an end that has passed", { expireTime: "2020-01-01T00:00:00Z" }, "expireTime"],
  ])("is refused with %s", async (_, body, field) => {
    expect(await createRefused(body, ada.token)).toMatchObject({ code: "invalid_argument", fields: [field] });
  });

  it.each([
    ["mesages:read", "messages:read"],
    ["message:write", "messages:write"],
    ["messages.read", "messages:read"],
    ["MessageService/SendMesage", "MessageService/SendMessage"],
  ])("asks whether a mistyped scope, %s, is %s", async (scope, like) => {
    const { status, json } = await connectJson(backstay.url, CREATE, { name: "k", scopes: [scope] }, bearer(ada.token));
    expect([status, json.message]).toEqual([400, expect.stringMatching(new RegExp(`; did you mean ${like}\\?$`))]);
  });

  it("asks nothing of a scope that is like none", async () => {
    const { json } = await connectJson(backstay.url, CREATE, { name: "k", scopes: ["zork:fly"] }, bearer(ada.token));
    expect(json.message).not.toContain("did you mean");
  });

  it("is for oneself; administrators make them for others", async () => {
    expect((await createRefused({ accountId: ben.id }, ada.token)).reason).toBe("ADMIN_REQUIRED");
    expect((await createRefused({ accountId: "0".repeat(32) }, ada.token)).reason).toBe("ADMIN_REQUIRED");
    expect((await create({ accountId: ada.id }, ada.token)).apiKey.accountId).toBe(ada.id);
    const { key } = await create({ accountId: ben.id }, adminToken);
    expect((await current(key)).json.account.id).toBe(ben.id);
    expect((await createRefused({ accountId: "0".repeat(32) }, adminToken)).reason).toBe("ACCOUNT_NOT_FOUND");
  });

  it("by the operator makes one of the installation, which acts as its operator within its scopes", async () => {
    const token = operatorToken(backstay);
    const { apiKey, key } = await create({ scopes: ["accounts:read"] }, token);
    expect(apiKey.accountId ?? "").toBe("");
    const seen = await curl<{ accounts: { login: string }[] }>(backstay, LIST_ACCOUNTS, {}, key);
    expect(seen.accounts.some(({ login }) => login === ada.login)).toBe(true);
    expect((await curlRefused(backstay, "jobs.v1.JobService/ListQueues", {}, key)).reason).toBe("SCOPE_MISSING");
    const all = await create({}, token);
    await curl(backstay, "jobs.v1.JobService/ListQueues", {}, all.key);
  });
});

describe("case 36: a key proves nothing", () => {
  const refusal = async (key: string) => {
    const { status, reason } = await current(key);
    return [status, reason];
  };

  it("with one bit turned over, or of another form", async () => {
    const { key } = await makeKey(backstay, ada.token);
    expect(await refusal(flipped(key))).toEqual([401, "INVALID_TOKEN"]);
    for (const text of ["bs_ak_", `${key}a`, key.slice(0, -1), key.replace("bs_ak_", "bs_at_")]) {
      expect(await refusal(text)).toEqual([401, "INVALID_TOKEN"]);
    }
  });

  it("when it has expired", async () => {
    const expireTime = new Date(Date.now() + 60_000).toISOString();
    const { id, key } = await makeKey(backstay, ada.token, { scopes: ["*"], expireTime });
    expect((await current(key)).status).toBe(200);
    await openDatabase(backstay)`update backstay.api_keys set expires_at = now() - interval '1 s' where id = ${id}`;
    const expired = async () => ((await current(key)).status === 401 ? true : undefined);
    await eventually(10_000, "the key has ended", expired);
    expect(await refusal(key)).toEqual([401, "TOKEN_EXPIRED"]);
  });

  it("when its account is banned, or deleted", async () => {
    const cara = await backstay.signUp();
    const { key } = await makeKey(backstay, cara.token);
    expect((await current(key)).status).toBe(200);
    await curl(backstay, "accounts.v1.AccountService/DeleteAccount", { id: "me" }, cara.token);
    expect(await refusal(key)).toEqual([401, "INVALID_TOKEN"]);
    const dora = await backstay.signUp();
    const banned = await makeKey(backstay, dora.token);
    await openDatabase(backstay)`update backstay.accounts set status = 'banned' where id = ${dora.id}`;
    expect(await refusal(banned.key)).toEqual([401, "INVALID_TOKEN"]);
  });
});

describe("the use of a key", () => {
  it("is noted in the background, at most once a minute", async () => {
    const { id, key } = await makeKey(backstay, ada.token);
    const sql = openDatabase(backstay);
    const usedAt = async () =>
      (await sql`select last_used_at from backstay.api_keys where id = ${id}`)[0]!.last_used_at;
    expect(await usedAt()).toBeNull();
    await current(key);
    const first = await eventually(10_000, "the use is noted", async () => (await usedAt()) ?? undefined);
    for (let n = 0; n < 5; n++) await current(key);
    expect(await usedAt()).toEqual(first);
    await sql`update backstay.api_keys set last_used_at = now() - interval '2 minutes' where id = ${id}`;
    const later = async () => {
      await current(key);
      return (await usedAt()) > first ? true : undefined;
    };
    await eventually(10_000, "a later use is noted", later);
  });
});
