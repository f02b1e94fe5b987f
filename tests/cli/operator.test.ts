import { BackstayError, createClient } from "@backstay/client";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findAccount } from "../../server/cli/find-account.js";
import { asOperator } from "../../server/cli/operator.js";
import { cleanUp, run } from "../acceptance/server-process.js";
import { turnOn } from "../domains/auth/authenticator.js";
import { openDatabase, operatorToken } from "../domains/support.js";
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

/** The id of the account that a word names. */
const find = (word: string) =>
  asOperator({ home: backstay.home, key: undefined }, (client) => findAccount(client, word));
const nobodyIs = (word: string) =>
  `there is no account with the login ${word}, nor with that id or verified e-mail address`;
const dashed = (id: string) => id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

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
      complaint: `backstay: ${nobodyIs("nobody")}`,
    });
    for (const word of [
      "nobody",
      "ada%",
      "ada_1000",
      "",
      "id:",
      "id:nobody",
      " ",
      "0".repeat(32),
      "nobody@example.com",
    ]) {
      await expect(find(word), word).rejects.toMatchObject({ code: "not_found", message: nobodyIs(word) });
    }
  });

  it("finds who has no login by his id, and by an e-mail address that he has verified", async () => {
    const { account } = await backstay.anonymous().auth.signInAnonymously({ name: "Gast\u202E" });
    const { id } = account!;
    expect(await ask(["user", "ban", id])).toEqual({
      code: 0,
      printed: [`Gast\\u202e (${id}) is banned`],
      complaint: "",
    });
    expect(await askJson(["user", "unban", dashed(id).toUpperCase()])).toEqual({ id, login: "", status: "active" });
    expect(await find(`id:${id}`)).toBe(id);

    const sql = openDatabase(backstay);
    await sql`update backstay.accounts set email = 'Gast_1@example.com' where id = ${id}`;
    await expect(find("gast_1@example.com")).rejects.toMatchObject({ code: "not_found" });
    await sql`update backstay.accounts set email_verified_at = now() where id = ${id}`;
    expect(await find("gast_1@EXAMPLE.com")).toBe(id);
    await expect(find("gastX1@example.com")).rejects.toMatchObject({ code: "not_found" });
    const { keys } = await askJson(["key", "list", "--account", "gast_1@example.com"]);
    expect(keys).toEqual([]);
  });

  it("finds a login as SignIn takes it, in another Unicode form too", async () => {
    for (const word of ["ADA_100%", "ａｄａ_100％"]) expect(await find(word), word).toBe(ada.id);
    const typedSo = await backstay.signUp("ｂｅｎ");
    expect(await find("Ben")).toBe(typedSo.id);
  });

  it("bans nobody for a text that is the id of one account and the login of another, with the code 2", async () => {
    const other = await backstay.signUp(ada.id);
    const { code, complaint } = await ask(["user", "ban", ada.id]);
    expect([code, complaint]).toEqual([2, expect.stringContaining(`id:${ada.id}, the other as ${other.id}`)]);
    expect(await find(`id:${ada.id}`)).toBe(ada.id);
    expect(await find(other.id)).toBe(other.id);
    await other.client.accounts.deleteAccount({ id: "me" });
    expect(await find(ada.id)).toBe(ada.id);
    const itself = await backstay.signUp("its own id");
    await openDatabase(backstay)`update backstay.identities set subject = ${itself.id} where account_id = ${itself.id}`;
    expect(await find(itself.id)).toBe(itself.id);
  });

  it("tells by the code what the server says: 6 for who may not, 4 for nobody there", async () => {
    const env = { BACKSTAY_KEY: ada.token };
    const refused = await ask(["user", "ban", ada.login, "--url", backstay.url], { env });
    expect(refused).toMatchObject({ code: 6, printed: [] });
    expect(await ask(["audit", "verify", "--url", backstay.url], { env })).toMatchObject({ code: 6, printed: [] });
    expect(await ask(["audit", "verify"], { home: `${backstay.home}/nobody` })).toMatchObject({ code: 4 });
  });
});

describe("BACKSTAY_KEY", () => {
  const verify = (BACKSTAY_KEY: string, words = ["audit", "verify"]) =>
    ask([...words, "--url", backstay.url], { env: { BACKSTAY_KEY } });

  it("may have blanks around it", async () => {
    expect(await verify(` ${operatorToken(backstay)}\n`)).toMatchObject({ code: 0, complaint: "" });
  });

  it("is refused, and not shown, when it is no key", async () => {
    const token = operatorToken(backstay);
    const complaint = "backstay: BACKSTAY_KEY is no key: it has a blank, a line break or another sign that no key has";
    for (const key of [`${token}\nsecond line`, `“${token}”`, `Bearer ${token}`]) {
      expect(await verify(key)).toEqual({ code: 1, printed: [], complaint });
    }
    expect(await verify(`${token}\nsecond line`, ["key", "status"])).toEqual({ code: 1, printed: [], complaint });
    const absent = "backstay: set BACKSTAY_KEY to the admin token of that server";
    expect(await verify("")).toEqual({ code: 1, printed: [], complaint: absent });
  });
});

it("shows no password of a --url", async () => {
  const complaint = "backstay: --url must be a URL such as https://api.example.com, without a user or password";
  for (const words of [
    ["key", "status"],
    ["audit", "verify"],
  ]) {
    const url = backstay.url.replace("//", "//house:s3cret@");
    expect(await ask([...words, "--url", url], { env: { BACKSTAY_KEY: "k" } })).toEqual({
      code: 1,
      printed: [],
      complaint,
    });
  }
});

describe("what others have typed", () => {
  it("is printed in one line, whose control characters show and do nothing", async () => {
    const cleo = await backstay.signUp();
    const { key } = await askJson(["key", "create", "--account", cleo.login, "--name", "fine"]);
    const forged = 'fine"  *  never ends\n0190163d8694739b8b1fcb8dd4e60777  forged \u001b[31m\u009b31m\u202e';
    // As a server kept names that did not yet refuse them.
    await openDatabase(backstay)`update backstay.api_keys set name = ${forged} where account_id = ${cleo.id}`;
    expect(key).toMatch(/^bs_ak_/);
    const { printed } = await ask(["key", "list", "--account", cleo.login]);
    const shown = String.raw`"fine\"  *  never ends\n0190163d8694739b8b1fcb8dd4e60777  forged \u001b[31m\u009b31m\u202e"`;
    expect(printed).toEqual([expect.stringContaining(`  ${shown}  *  never ends  `)]);
    const json = await ask(["key", "list", "--account", cleo.login, "--json"]);
    expect(json.printed.join("")).not.toMatch(/[\u0080-\u009f\u202e]/);
    expect(JSON.parse(json.printed.join("")).keys[0].name).toBe(forged);
  });

  it("does nothing in a complaint either", async () => {
    const { code, complaint } = await ask(["user", "ban", "nobody\u001b[31m\nbackstay: banned"]);
    expect([code, complaint]).toEqual([5, `backstay: ${nobodyIs(String.raw`nobody\u001b[31m\u000abackstay: banned`)}`]);
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
