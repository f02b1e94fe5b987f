import { BackstayError, createClient } from "@backstay/client";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { asOperator, findAccount } from "../../server/cli/operator.js";
import { cleanUp, run } from "../acceptance/server-process.js";
import { turnOn } from "../domains/auth/authenticator.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

// Each runs several commands, on whatever else the machine does.
vi.setConfig({ testTimeout: 60_000 });

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp("ada_100%");
});
afterAll(async () => {
  await cleanUp();
  await backstay.stop();
});

/** Runs a command for the server of this test, and answers what it did. */
async function ask(
  words: string[],
  { env, home = backstay.home }: { env?: Record<string, string>; home?: string } = {},
) {
  const command = run([...words, ...(words.includes("--url") ? [] : ["--home", home])], env && { env });
  const { code } = await command.exit;
  return { code, printed: command.lines(), complaint: command.stderr().trim() };
}

/** The one object that a command prints. */
async function askJson(words: string[]) {
  const { code, printed, complaint } = await ask([...words, "--json"]);
  expect({ code, complaint }).toEqual({ code: 0, complaint: "" });
  expect(printed).toHaveLength(1);
  return JSON.parse(printed[0]!);
}

const rolesOf = async () => (await ada.client.auth.getCurrent()).roles;

describe("user", () => {
  it("promote and demote make an administrator of an account, and take that away", async () => {
    expect(await askJson(["user", "promote", "ADA_100%"])).toEqual({ id: ada.id, login: ada.login, roles: ["admin"] });
    await expect.poll(rolesOf, { timeout: 5_000 }).toEqual(["admin"]);
    await askJson(["user", "create", "other", "--admin"]);
    expect(await ask(["user", "demote", ada.login])).toEqual({
      code: 0,
      printed: [`${ada.login} (${ada.id}) is no administrator`],
      complaint: "",
    });
    await expect.poll(rolesOf, { timeout: 5_000 }).toEqual([]);
  });

  it("ban signs an account out and unban lets it in again", async () => {
    const { id, login, secret, client } = await backstay.signUp();
    const banned = await askJson(["user", "ban", login, "--reason", "spam"]);
    expect(banned).toEqual({ id, login, status: "banned" });
    await expect
      .poll(
        () =>
          client.auth.getCurrent().then(
            () => "in",
            () => "out",
          ),
        { timeout: 5_000 },
      )
      .toBe("out");
    expect(await askJson(["user", "unban", login])).toEqual({ id, login, status: "active" });
    await client.auth.signIn({ login, secret });
  });

  it("reset-totp turns off an authenticator whose owner has lost it", async () => {
    const { id, login, secret, client } = await backstay.signUp();
    const none = await ask(["user", "reset-totp", login]);
    expect([none.code === 0, none.complaint]).toEqual([false, expect.stringContaining("has no authenticator")]);
    await turnOn(backstay, client.auth.tokens!.accessToken, {
      now: () => new Date(),
      advance: () => {},
      set: () => {},
    });
    await expect(client.auth.signIn({ login, secret })).rejects.toMatchObject({ reason: "OTP_REQUIRED" });
    expect(await askJson(["user", "reset-totp", login.toUpperCase()])).toEqual({ id, login });
    await client.auth.signIn({ login, secret });
  });

  it("says in one line that nobody has the login, with the code 5", async () => {
    expect(await ask(["user", "promote", "nobody"])).toEqual({
      code: 5,
      printed: [],
      complaint: "backstay: there is no account with the login nobody",
    });
    for (const login of ["nobody", "ada%", "ada_1000", ""]) {
      const found = asOperator({ home: backstay.home, key: undefined }, (client) => findAccount(client, login));
      await expect(found).rejects.toMatchObject({
        code: "not_found",
        message: `there is no account with the login ${login}`,
      });
    }
  });

  it("tells by the code what the server says: 6 for who may not, 4 for nobody there", async () => {
    const env = { BACKSTAY_KEY: ada.token };
    const refused = await ask(["user", "ban", ada.login, "--url", backstay.url], { env });
    expect(refused).toMatchObject({ code: 6, printed: [] });
    expect(await ask(["audit", "verify", "--url", backstay.url], { env })).toMatchObject({ code: 6, printed: [] });
    expect(await ask(["audit", "verify"], { home: `${backstay.home}/nobody` })).toMatchObject({ code: 4 });
  });
});

describe("key", () => {
  it("create makes a key of the installation that is shown once, list shows it without, revoke ends it", async () => {
    const { id, key, ...rest } = await askJson([
      "key",
      "create",
      "--name",
      "backup",
      "--scope",
      "accounts:read",
      "--scope",
      "auth:read",
    ]);
    expect(rest).toEqual({});
    expect((await createClient(backstay.url, { token: key }).accounts.listAccounts()).accounts.length).toBeGreaterThan(
      0,
    );
    const { keys } = await askJson(["key", "list"]);
    expect(keys).toEqual([
      {
        id,
        name: "backup",
        scopes: ["accounts:read", "auth:read"],
        createTime: expect.any(String),
        lastUseTime: expect.any(String),
      },
    ]);
    expect((await ask(["key", "list"])).printed.join()).not.toContain(key);
    expect(await askJson(["key", "revoke", id])).toEqual({ id, revoked: true });
    const after = () =>
      createClient(backstay.url, { token: key })
        .accounts.listAccounts()
        .then(
          () => "works",
          (error) => error.reason,
        );
    await expect.poll(after, { timeout: 5_000 }).toBe("INVALID_TOKEN");
    expect(await askJson(["key", "list"])).toEqual({ keys: [] });
    expect(await ask(["key", "revoke", id])).toMatchObject({ code: 5, printed: [] });
  });

  it("create makes one of an account, for a time, that may do all when nothing is said", async () => {
    const { id, key } = await askJson(["key", "create", "--account", ada.login, "--expires", "90d"]);
    const { account } = await createClient(backstay.url, { token: key }).auth.getCurrent();
    expect(account?.id).toBe(ada.id);
    const { keys } = await askJson(["key", "list", "--account", ada.login]);
    expect(keys).toMatchObject([{ id, accountId: ada.id, scopes: ["*"], expireTime: expect.any(String) }]);
    const days = (Date.parse(keys[0].expireTime) - Date.parse(keys[0].createTime)) / 86_400_000;
    expect(days).toBeCloseTo(90, 2);
  });

  it("create refuses a time that is none, with the code 2", async () => {
    expect(await ask(["key", "create", "--expires", "soon"])).toMatchObject({ code: 2, printed: [] });
  });

  it("stands in place of the admin token where the server is elsewhere", async () => {
    const { key } = await askJson(["key", "create", "--scope", "accounts:read"]);
    const env = { BACKSTAY_KEY: key };
    const refused = await ask(["key", "create", "--url", backstay.url], { env });
    expect(refused).toMatchObject({ code: 6, printed: [] });
    const error = await createClient(backstay.url, { token: key })
      .auth.createApiKey({ scopes: ["*"] })
      .catch((e) => e);
    expect(BackstayError.is(error, "SCOPE_MISSING")).toBe(true);
  });
});

describe("audit verify", () => {
  it("says that the log is whole, and when it is not what is wrong, with the code 8", async () => {
    const whole = await askJson(["audit", "verify"]);
    expect(whole).toEqual({ ok: true, checkedCount: expect.any(Number), lastSequence: whole.checkedCount });
    expect(whole.checkedCount).toBeGreaterThan(3);
    const sql = postgres(backstay.databaseUrl, { max: 1, onnotice: () => {} });
    await sql`alter table backstay.audit_log disable trigger all`;
    await sql`delete from backstay.audit_log where sequence = 2`;
    await sql.end();
    const fault = "Entry 2 is missing.";
    expect(await ask(["audit", "verify"])).toEqual({
      code: 8,
      printed: [],
      complaint: `backstay: the audit log is not whole: ${fault}`,
    });
    const { code, printed } = await ask(["audit", "verify", "--json"]);
    expect(code).toBe(8);
    expect(JSON.parse(printed.join())).toEqual({
      ok: false,
      checkedCount: 1,
      lastSequence: 1,
      fault,
      faultSequence: 2,
    });
  });
});
