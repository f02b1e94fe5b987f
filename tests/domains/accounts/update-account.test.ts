import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { openDatabase, operator, refused, testClock } from "../support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  ben = await backstay.signUp();
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

type Values = NonNullable<Parameters<Person["client"]["accounts"]["updateAccount"]>[0]>["account"];

const update = (who: Person, account: Values, paths: string[]) =>
  who.client.accounts.updateAccount({ account, updateMask: { paths } }).then((answer) => answer.account!);

describe("the mask", () => {
  it("says what changes; everything else stays, whatever is given for it", async () => {
    const before = (await ada.client.accounts.getAccount({})).account!;
    clock.advance(1_500);
    const after = await update(ada, { name: "New name", email: "new@example.org", phone: "1" }, ["name", "phone"]);
    const { createTime: _, ...unchanged } = before;
    expect(after).toMatchObject({
      ...unchanged,
      name: "New name",
      alias: "New name",
      phone: "1",
      updateTime: after.updateTime!,
    });
    expect(after.email).toBe("");
    expect(after.createTime).toEqual(before.createTime);
    const elapsed = Number(after.updateTime!.seconds - before.updateTime!.seconds) * 1_000;
    expect(elapsed + (after.updateTime!.nanos - before.updateTime!.nanos) / 1e6).toBe(1_500);
    expect((await ada.client.accounts.getAccount({})).account).toEqual(after);
  });

  it("changes every field that may be changed", async () => {
    const values = {
      name: "Ada",
      alias: "A",
      email: "ada@example.org",
      phone: "2",
      gender: "f",
      birthday: "1815-12-10",
      address: "London",
    };
    expect(await update(ada, values, Object.keys(values))).toMatchObject(values);
  });

  it("empties a field that is named and not given", async () => {
    await update(ada, { phone: "3" }, ["phone"]);
    expect((await update(ada, {}, ["phone"])).phone).toBe("");
  });

  it.each([
    ["is empty", []],
    ["names what there is not", ["nickname"]],
    ["names a column of the database", ["created_at"]],
    ["names a path", ["account.name"]],
  ])("is refused when it %s", async (_, paths) => {
    expect(await refused(update(ada, { name: "X", roles: ["admin"] }, paths))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_MASK",
      fields: ["updateMask"],
    });
    expect((await ada.client.accounts.getAccount({})).account?.name).toBe(`Name of ${ada.login}`);
  });

  it("is refused when it names what only the server sets, or an administrator by another verb", async () => {
    const paths = ["id", "login", "roles", "status", "email_verified", "create_time", "update_time"];
    const names = ["id", "login", "roles", "status", "emailVerified", "createTime", "updateTime"];
    for (const [at, path] of paths.entries()) {
      expect(await refused(update(ada, { name: "X", roles: ["admin"], login: "x" }, ["name", path]))).toEqual({
        code: "permission_denied",
        reason: "FIELD_FORBIDDEN",
        fields: [`account.${names[at]}`],
      });
    }
    const { account } = await ada.client.accounts.getAccount({});
    expect(account).toMatchObject({ id: ada.id, name: `Name of ${ada.login}`, login: ada.login, roles: [] });
  });

  it("comes of what was read by REST and is sent back whole to where it was read", async () => {
    const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-").toUpperCase();
    const headers = { authorization: `Bearer ${ada.token}`, "content-type": "application/json" };
    const patch = async (path: string, body: object) =>
      fetch(`${backstay.url}/v1/accounts/${path}`, { method: "PATCH", headers, body: JSON.stringify(body) });
    for (const [at, path] of ["me", dashed, ada.id].entries()) {
      const read = await fetch(`${backstay.url}/v1/accounts/${path}`, { headers });
      const { id } = (await read.json()).account;
      const answer = await patch(path, { id, name: `Ada ${at}` });
      expect({ status: answer.status, name: (await answer.json()).account?.name }).toEqual({
        status: 200,
        name: `Ada ${at}`,
      });
      expect((await patch(path, { id: ben.id, name: "X" })).status).toBe(400);
    }
  });

  it("is refused when it is absent", async () => {
    const update = ada.client.accounts.updateAccount({ account: { name: "X" } });
    expect(await refused(update)).toMatchObject({ reason: "INVALID_MASK" });
  });
});

describe("the values", () => {
  it("never leave an account without a name", async () => {
    expect(await refused(update(ada, { name: "" }, ["name"]))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["account.name"],
    });
  });

  it.each([
    ["account.name", { name: "x".repeat(129) }],
    ["account.name", { name: "Ada\nand another line" }],
    ["account.alias", { alias: "A\u009b31m" }],
    ["account.alias", { alias: "x".repeat(129) }],
    ["account.email", { email: "nobody" }],
    ["account.phone", { phone: "x".repeat(33) }],
    ["account.gender", { gender: "x".repeat(33) }],
    ["account.birthday", { birthday: "yesterday" }],
    ["account.address", { address: "x".repeat(513) }],
  ])("keep the bounds of %s", async (field, values) => {
    expect(await refused(update(ada, values, Object.keys(values)))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: [field],
    });
  });

  it("make the name the alias when the alias is emptied", async () => {
    await update(ada, { alias: "A" }, ["alias"]);
    expect((await update(ada, { alias: "" }, ["alias"])).alias).toBe(`Name of ${ada.login}`);
    expect(await update(ada, { name: "Ada", alias: "" }, ["name", "alias"])).toMatchObject({
      name: "Ada",
      alias: "Ada",
    });
  });

  it("make a new name the alias too, while that is the name and nothing else is said of it", async () => {
    expect((await update(ada, { name: "Ada" }, ["name"])).alias).toBe("Ada");
    expect((await update(ada, { name: "Augusta", alias: "Ada" }, ["name", "alias"])).alias).toBe("Ada");
    expect(await update(ada, { name: "Countess" }, ["name"])).toMatchObject({ name: "Countess", alias: "Ada" });
  });

  it.each(["2024-02-31", "2023-02-29", "2024-00-10", "2024-13-01", "2024-1-1", " 2024-1-01", "0000-00-00"])(
    "name a birthday that is a date: not %s",
    async (birthday) => {
      const asked = update(ada, { birthday }, ["birthday"]);
      await expect(asked).rejects.toThrow("account.birthday: must be a date such as 1815-12-10");
      expect(await refused(asked)).toEqual({
        code: "invalid_argument",
        reason: "INVALID_FIELD",
        fields: ["account.birthday"],
      });
    },
  );

  it("take the 29th of February, and no birthday", async () => {
    for (const birthday of ["2024-02-29", ""])
      expect((await update(ada, { birthday }, ["birthday"])).birthday).toBe(birthday);
  });

  it("count characters, not bytes", async () => {
    expect((await update(ada, { name: "🎈".repeat(128) }, ["name"])).name).toBe("🎈".repeat(128));
  });

  it("are refused without an account", async () => {
    const update = ada.client.accounts.updateAccount({ updateMask: { paths: ["name"] } });
    expect(await refused(update)).toMatchObject({ reason: "INVALID_FIELD", fields: ["account"] });
  });
});

describe("another address", () => {
  const address = async () => {
    const [row] = await openDatabase(backstay)`select email, email_verified_at is not null as verified,
        (select count(*)::int from backstay.identities i where i.account_id = a.id and kind = 'email') as identities
      from backstay.accounts a where id = ${ada.id}`;
    return { ...row };
  };
  /** As a code that was shown does it. */
  const verify = async (email: string, kinds = ["email"]) => {
    const sql = openDatabase(backstay);
    await sql`update backstay.accounts set email = ${email}, email_verified_at = now() where id = ${ada.id}`;
    for (const kind of kinds)
      await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at)
        values (gen_random_uuid(), ${ada.id}, ${kind}, ${`${kind} ${email}`}, ${email}, now())`;
  };

  it("is not known to be the account's, and the one before leads in no more", async () => {
    await verify("old@example.org");
    expect((await update(ada, { email: "new@example.org", phone: "7" }, ["email", "phone"])).emailVerified).toBe(false);
    expect(await address()).toEqual({ email: "new@example.org", verified: false, identities: 0 });
  });

  it("is none when it is the same, or not named", async () => {
    await verify("same@example.org");
    await update(ada, { email: "same@example.org" }, ["email"]);
    expect((await update(ada, { email: "x@example.org", phone: "8" }, ["phone"])).emailVerified).toBe(true);
    expect(await address()).toEqual({ email: "same@example.org", verified: true, identities: 1 });
  });

  it("is refused where nothing else leads in", async () => {
    await verify("only@example.org");
    await openDatabase(backstay)`delete from backstay.identities where account_id = ${ada.id} and kind = 'login'`;
    expect(await refused(update(ada, { email: "", name: "X" }, ["email", "name"]))).toEqual({
      code: "failed_precondition",
      reason: "LAST_WAY_IN",
      fields: ["account.email"],
    });
    expect(await address()).toEqual({ email: "only@example.org", verified: true, identities: 1 });
  });
});

describe("whose account", () => {
  it("is one's own by its id, by me and by nothing", async () => {
    for (const [id, name] of Object.entries({ [ada.id]: "By id", me: "By me", "": "By nothing" })) {
      expect(await update(ada, { id, name }, ["name"])).toMatchObject({ id: ada.id, name });
    }
  });

  it("is not someone else's, who is told so", async () => {
    expect(await refused(update(ben, { id: ada.id, name: "Mine" }, ["name"]))).toEqual({
      code: "permission_denied",
      reason: "NOT_YOUR_ACCOUNT",
      fields: [],
    });
    expect((await ada.client.accounts.getAccount({})).account?.name).toBe(`Name of ${ada.login}`);
  });

  it("is, by REST, no other one in the body than in the path", async () => {
    const change = async (path: string, id: string) => {
      const headers = { "content-type": "application/json", authorization: `Bearer ${ada.token}` };
      const body = JSON.stringify({ id, name: "By REST" });
      const reply = await fetch(`${backstay.url}/v1/accounts/${path}`, { method: "PATCH", headers, body });
      const { message = "" } = (await reply.json()) as { message?: string };
      return `${reply.status} ${message.split(" ").slice(0, 3).join(" ")}`.trim();
    };
    expect(await change("me", ben.id)).toBe("400 The field id");
    expect(await change(ada.id, ben.id)).toBe("400 The field id");
    expect((await ada.client.accounts.getAccount({})).account?.name).toBe(`Name of ${ada.login}`);
    expect(await change(ada.id, ada.id)).toBe("200");
  });

  it("is anyone's for an administrator", async () => {
    const { accounts } = operator(backstay);
    const { account } = await accounts.updateAccount({
      account: { id: ada.id, name: "Renamed" },
      updateMask: { paths: ["name"] },
    });
    expect(account).toMatchObject({ id: ada.id, name: "Renamed", login: ada.login });
  });

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("is nobody's: %s", async (id) => {
    const notFound = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["id"] };
    expect(await refused(update(ada, { id, name: "X" }, ["name"]))).toEqual(notFound);
    const byAdmin = operator(backstay).accounts.updateAccount({
      account: { id, name: "X" },
      updateMask: { paths: ["name"] },
    });
    expect(await refused(byAdmin)).toEqual(notFound);
  });
});

it("tells the account's streams what changed, within a second", async () => {
  const stream = await standingStream(backstay, ada.token);
  await update(ada, { name: "Ada", phone: "4" }, ["phone", "name"]);
  expect(await stream.event(1_000)).toMatchObject({
    type: "account.update",
    path: "/account/update",
    actorId: ada.id,
    topic: `account/${ada.id}`,
    data: { changed: ["phone", "name", "alias"] },
  });
});

it("tells of an alias that follows the name", async () => {
  const stream = await standingStream(backstay, ada.token);
  await update(ada, { name: "Ada" }, ["name"]);
  expect((await stream.event(1_000)).data).toEqual({ changed: ["name", "alias"] });
  await update(ada, { alias: "Countess" }, ["alias"]);
  await update(ada, { name: "Augusta" }, ["name"]);
  expect((await stream.event(1_000)).data).toEqual({ changed: ["alias"] });
  expect((await stream.event(1_000)).data).toEqual({ changed: ["name"] });
});

it("tells nothing of a change that was refused", async () => {
  const stream = await standingStream(backstay, ada.token);
  await refused(update(ada, { name: "" }, ["name"]));
  await refused(update(ben, { id: ada.id, name: "X" }, ["name"]));
  await update(ada, { phone: "5" }, ["phone"]);
  expect((await stream.event(1_000)).data).toEqual({ changed: ["phone"] });
});

it("keeps every one of twenty changes of different fields at the same time", async () => {
  const sql = openDatabase(backstay);
  await Promise.all([
    ...Array.from({ length: 10 }, () => update(ada, { phone: "6" }, ["phone"])),
    ...Array.from({ length: 10 }, () => update(ada, { gender: "x" }, ["gender"])),
  ]);
  const [row] = await sql`select phone, gender from backstay.accounts where id = ${ada.id}`;
  expect(row).toEqual({ phone: "6", gender: "x" });
});
