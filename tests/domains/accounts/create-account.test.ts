import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openDatabase, operator, refused, refusedJson, testClock, upTo } from "../support.js";

const CREATE = "accounts.v1.AccountService/CreateAccount";
const DAY = 86_400_000;

let backstay: TestBackstay;
let ada: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  ada = await backstay.signUp("Ada");
});
afterAll(() => backstay.stop());

const create = (login: string, more: object = {}) =>
  backstay.anonymous().accounts.createAccount({ login, secret: "correct horse", name: "Somebody", ...more });

async function countOf(login: string): Promise<number> {
  const sql = openDatabase(backstay);
  const [row] = await sql`select count(*)::int as count from backstay.accounts a
    join backstay.identities i on i.account_id = a.id where i.label = ${login}`;
  return row?.count;
}

describe("signing up", () => {
  it("answers the account whole, as its owner sees it", async () => {
    const given = {
      login: "grace@example.org",
      name: "Grace Hopper",
      email: "grace@example.org",
      phone: "+1 555 0100",
      gender: "female",
      birthday: "1906-12-09",
      address: "Arlington",
    };
    const { account } = await create(given.login, given);
    expect(account).toMatchObject({ ...given, alias: "Grace Hopper", roles: [] });
    expect(account?.id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{19}$/);
    expect(account?.createTime).toEqual(account?.updateTime);
    expect(Number(account?.createTime?.seconds)).toBe(Math.floor(clock.now().getTime() / 1000));
  });

  it("never answers the secret, and keeps only its hash", async () => {
    const secret = "a secret nobody else has";
    const { json } = await call(backstay.url, CREATE, { login: "keeper", secret, name: "K" });
    expect(JSON.stringify(json)).not.toContain(secret);
    const sql = openDatabase(backstay);
    const [row] = await sql`select secret_phc from backstay.identities where label = 'keeper'`;
    expect(row?.secret_phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it("lets the account sign in", async () => {
    await create("linus");
    const client = backstay.anonymous();
    const { account } = await client.auth.signIn({ login: "linus", secret: "correct horse" });
    expect(account?.login).toBe("linus");
  });

  it("keeps an alias that was given", async () => {
    expect((await create("alan", { name: "Alan Turing", alias: "Al" })).account?.alias).toBe("Al");
  });
});

describe("a login is taken", () => {
  const twins = [
    { first: "Barbara", twin: "BARBARA", by: "case" },
    { first: "Straße", twin: "STRASSE", by: "the sharp s" },
    { first: "Weiß", twin: "WEIẞ", by: "the capital sharp s" },
    { first: "Ångström".normalize("NFC"), twin: "ångström".normalize("NFD"), by: "a decomposed letter" },
    { first: "donald", twin: "ｄｏｎａｌｄ", by: "full width" },
    { first: "ﬁona", twin: "fiona", by: "a ligature" },
    { first: "Σίσυφος", twin: "ΣΊΣΥΦΟΣ", by: "the final sigma" },
    { first: "kelvin", twin: "\u212Aelvin", by: "the sign for kelvin" },
    { first: "a b", twin: "a\u00A0b", by: "a blank that does not break" },
  ];
  it.each(twins)("case 28: by its twin: $first by $twin, $by", async ({ first, twin }) => {
    await create(first);
    expect(await refused(create(twin))).toEqual({
      code: "already_exists",
      reason: "LOGIN_TAKEN",
      fields: ["login"],
    });
    const { account } = await backstay.anonymous().auth.signIn({ login: twin, secret: "correct horse" });
    expect(account?.login).toBe(first);
  });

  it("by exactly one of twenty that want it at the same time", async () => {
    const outcomes = await Promise.all(
      upTo(20).map((n) =>
        create("wanted", { name: `Number ${n}` }).then(
          () => "made",
          async (error) => error.reason,
        ),
      ),
    );
    expect(outcomes.sort()).toEqual([...Array(19).fill("LOGIN_TAKEN"), "made"]);
    expect(await countOf("wanted")).toBe(1);
  });
});

describe("a login is refused", () => {
  it.each([
    ["a zero-width space", "ev\u200Be"],
    ["a zero-width joiner", "ev\u200De"],
    ["a zero-width non-joiner", "ev\u200Ce"],
    ["a byte order mark", "\uFEFFeve"],
    ["a soft hyphen", "ev\u00ADe"],
    ["a mark of direction", "\u202Eeve"],
    ["a combining grapheme joiner", "ev\u034Fe"],
    ["a variation selector", "eve\uFE0F"],
    ["a variation selector of the supplement", "eve\u{E0100}"],
    ["a Mongolian variation selector", "eve\u180B"],
    ["a Hangul filler", "\u3164"],
    ["a blank braille cell", "eve\u2800"],
    ["a line break", "ev\ne"],
    ["a control character", "ev\u0007e"],
    ["a private character", "ev\uE000e"],
  ])("case 28: with %s in it", async (_, login) => {
    expect(await refused(create(login))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_LOGIN",
      fields: ["login"],
    });
  });

  it.each([
    ["before it", " eve"],
    ["after it", "eve "],
    ["that do not break after it", "eve\u00A0"],
    ["of full width before it", "\u3000eve"],
    ["and nothing else", "   "],
  ])("case 28: with blanks %s", async (_, login) => {
    expect(await refused(create(login))).toMatchObject({ reason: "INVALID_LOGIN", fields: ["login"] });
  });

  it("when its folded form is longer than any a person would type", async () => {
    // One character of three bytes that stands for eighteen.
    expect(await refused(create("\uFDFA".repeat(85)))).toMatchObject({ reason: "INVALID_LOGIN", fields: ["login"] });
  });

  it.each([
    ["login", { login: "" }],
    ["login", { login: "ä".repeat(129) }],
    ["secret", { secret: "" }],
    ["secret", { secret: "x".repeat(257) }],
    ["name", { name: "" }],
    ["name", { name: "x".repeat(129) }],
    ["name", { name: "Mallory\nand another line" }],
    ["name", { name: "Mallory\u001b[31m" }],
    ["name", { name: "Mallory\u2028" }],
    ["alias", { alias: "Mal\tlory" }],
    ["email", { email: "nobody" }],
    ["birthday", { birthday: "9.12.1906" }],
    ["birthday", { birthday: "1906-02-29" }],
    ["roles[0]", { roles: ["Admin"] }],
  ])("by the bounds of %s", async (field, more) => {
    const made = create("mallory", { ...more });
    expect(await refused(made)).toEqual({ code: "invalid_argument", reason: "INVALID_FIELD", fields: [field] });
    expect(await countOf("mallory")).toBe(0);
  });
});

describe("a secret", () => {
  it("may have 256 bytes, all of which count", async () => {
    const login = "l".repeat(256);
    const secret = "s".repeat(256);
    await create(login, { secret });
    const client = backstay.anonymous();
    expect((await client.auth.signIn({ login, secret })).account?.login).toBe(login);
    const almost = client.auth.signIn({ login, secret: `${"s".repeat(255)}t` });
    expect(await refused(almost)).toMatchObject({ reason: "INVALID_CREDENTIALS" });
  });

  it("has at least as many characters as the installation asks for", async () => {
    const strict = await startBackstay({ "auth.secret_min_length": "8" });
    const { accounts } = strict.anonymous();
    const short = accounts.createAccount({ login: "eve", secret: "1234567", name: "Eve" });
    expect(await refused(short)).toEqual({
      code: "invalid_argument",
      reason: "SECRET_TOO_SHORT",
      fields: ["secret"],
    });
    const emoji = accounts.createAccount({ login: "eve", secret: "🔑".repeat(7), name: "Eve" });
    expect(await refused(emoji)).toMatchObject({ reason: "SECRET_TOO_SHORT" });
    expect((await accounts.createAccount({ login: "eve", secret: "12345678", name: "Eve" })).account?.login).toBe(
      "eve",
    );
    await strict.stop();
  });
});

describe("roles", () => {
  it("are not given by anyone who asks", async () => {
    const denied = { code: "permission_denied", reason: "ADMIN_REQUIRED", fields: ["roles"] };
    expect(await refused(create("root", { roles: ["admin"] }))).toEqual(denied);
    const byAccount = { login: "root", secret: "correct horse", name: "Root", roles: ["admin"] };
    expect(await refused(ada.client.accounts.createAccount(byAccount))).toEqual(denied);
    expect(await countOf("root")).toBe(0);
  });

  it("are given by the installation's own command line, and by the administrators it made", async () => {
    const secret = "correct horse";
    const first = await operator(backstay).accounts.createAccount({
      login: "first admin",
      secret,
      name: "First",
      roles: ["support", "admin"],
    });
    expect(first.account?.roles).toEqual(["admin", "support"]);
    const admin = backstay.anonymous();
    await admin.auth.signIn({ login: "first admin", secret });
    const second = await admin.accounts.createAccount({
      login: "second admin",
      secret,
      name: "Second",
      roles: ["admin"],
    });
    expect(second.account?.roles).toEqual(["admin"]);
  });
});

describe("when registration is closed", () => {
  it("only administrators make accounts", async () => {
    const closed = await startBackstay({ "accounts.open_registration": "off" });
    const somebody = { login: "somebody", secret: "correct horse", name: "Somebody" };
    const denied = { code: "permission_denied", reason: "REGISTRATION_CLOSED", fields: [] };
    expect(await refused(closed.anonymous().accounts.createAccount(somebody))).toEqual(denied);
    expect((await operator(closed).accounts.createAccount(somebody)).account?.login).toBe("somebody");
    const account = closed.anonymous();
    await account.auth.signIn(somebody);
    const another = { ...somebody, login: "another" };
    expect(await refused(account.accounts.createAccount(another))).toEqual(denied);
    await closed.stop();
  });
});

describe("with an idempotency key", () => {
  const keyed = (login: string, idempotencyKey: string, name = "Somebody") =>
    backstay.anonymous().accounts.createAccount({ login, secret: "correct horse", name }, { idempotencyKey });

  it("case 80: a repeat of the same request answers the same account", async () => {
    const first = await keyed("repeated", "key-1");
    expect(await keyed("repeated", "key-1")).toEqual(first);
    expect(await countOf("repeated")).toBe(1);
  });

  it("case 80: another request with the same key is refused", async () => {
    await keyed("mismatched", "key-2");
    const mismatch = { code: "failed_precondition", reason: "IDEMPOTENCY_MISMATCH", fields: [] };
    expect(await refused(keyed("mismatched", "key-2", "Another"))).toEqual(mismatch);
    expect(await refused(keyed("mismatched too", "key-2"))).toEqual(mismatch);
    expect(await countOf("mismatched too")).toBe(0);
  });

  it("case 80: ten at once make one account and all hear of it", async () => {
    const answers = await Promise.all(upTo(10).map(() => keyed("at once", "key-3")));
    expect(new Set(answers.map(({ account }) => account?.id)).size).toBe(1);
    expect(await countOf("at once")).toBe(1);
  });

  it("a request that failed leaves its key free", async () => {
    expect(await refused(keyed("Ada", "key-4"))).toMatchObject({ reason: "LOGIN_TAKEN" });
    expect((await keyed("not Ada", "key-4")).account?.login).toBe("not Ada");
  });

  it("the same key of another caller is another key", async () => {
    await keyed("one caller", "key-5");
    const body = { login: "another caller", secret: "correct horse", name: "Somebody" };
    const { account } = await ada.client.accounts.createAccount(body, { idempotencyKey: "key-5" });
    expect(account?.login).toBe("another caller");
  });

  it("the key is free again after 24 hours", async () => {
    await keyed("yesterday", "key-6");
    clock.advance(DAY - 1_000);
    expect(await refused(keyed("today", "key-6"))).toMatchObject({ reason: "IDEMPOTENCY_MISMATCH" });
    clock.advance(2_000);
    expect((await keyed("today", "key-6")).account?.login).toBe("today");
  });

  it.each([
    ["empty", ""],
    ["two words", "two words"],
    ["not ASCII", "schlüssel"],
    ["longer than 255 characters", "x".repeat(256)],
  ])("a key that is %s is refused", async (_, key) => {
    const body = { login: "strange", secret: "correct horse", name: "Somebody" };
    const { status, json } = await call(backstay.url, CREATE, body, { "idempotency-key": key });
    expect(status).toBe(400);
    expect(refusedJson(json)).toEqual({ code: "invalid_argument", reason: "INVALID_HEADER", fields: [] });
  });
});
