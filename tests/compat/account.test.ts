import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "../domains/support.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { addAccount, get, post, type Signer } from "./predecessor.js";

let backstay: TestBackstay;
let ann: Signer;
beforeAll(async () => {
  backstay = await startBackstay();
  ann = await addAccount(backstay, "Ann Example");
});
afterAll(() => backstay.stop());

const query = (text: Record<string, string>) => new URLSearchParams(text).toString();

async function addAdmin(): Promise<Signer> {
  const admin = await addAccount(backstay, "Admin");
  await openDatabase(backstay)`update backstay.accounts set roles = '{admin}' where id = ${admin.id}`;
  return admin;
}

describe("/account/add", () => {
  it("makes an account by a GET that nobody has signed, as the manual shows it", async () => {
    const url = "/account/add?name=test&login=shown@test.com&secret=test123&gender=f&phone=1234567";
    const { status, json } = await get(backstay, url);
    expect(status).toBe(200);
    expect(json).toMatchObject({ name: "test", alias: "test", login: "shown@test.com", gender: "f", phone: "1234567" });
    expect(json.id).toMatch(/^[0-9a-f]{32}$/);
    expect(Number.isInteger(json.mtime) && Math.abs(json.mtime - Date.now()) < 60_000).toBe(true);
    expect(json).not.toHaveProperty("secret");
    expect(json).not.toHaveProperty("email");
  });

  it("makes one by JSON, by a form and by multipart alike", async () => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ name: "M", login: "m@test.com", secret: "mmmmmmmm" }))
      form.set(name, value);
    const replies = [
      await post(backstay, "/account/add", { name: "J", login: "j@test.com", secret: "jjjjjjjj", type: 0 }),
      await post(backstay, "/account/add", new URLSearchParams({ name: "F", login: "f@test.com", secret: "ffffffff" })),
      await post(backstay, "/account/add", form),
    ];
    expect(replies.map(({ status, json }) => [status, json.name ?? json.message])).toEqual([
      [403, "Only an administrator gives roles."],
      [200, "F"],
      [200, "M"],
    ]);
  });

  it("gives a type only to an administrator", async () => {
    const { status, json } = await post(backstay, "/account/add", {
      name: "X",
      login: "x@t",
      secret: "xxxxxxxx",
      type: "admin",
    });
    expect({ status, json }).toEqual({
      status: 403,
      json: { status: 403, message: expect.stringContaining("dministrator") },
    });
  });

  it("refuses a login that is in use with 409", async () => {
    const again = { name: "Ann", login: ann.login, secret: "12345678" };
    expect(await post(backstay, "/account/add", again)).toMatchObject({ status: 409, json: { status: 409 } });
  });

  it("ignores what it does not know, such as a location", async () => {
    const account = { name: "L", login: "l@test.com", secret: "llllllll", latitude: 34, whatever: "x" };
    expect((await post(backstay, "/account/add", account)).status).toBe(200);
  });
});

describe("/account/get", () => {
  it("answers the caller's own record whole", async () => {
    const { status, json } = await get(backstay, "/account/get", ann);
    expect({ status, json }).toMatchObject({
      status: 200,
      json: { id: ann.id, login: ann.login, name: "Ann Example" },
    });
  });

  it("answers a list of public records for ids, one or many", async () => {
    const ben = await addAccount(backstay, "Ben");
    const { json } = await get(backstay, `/account/get?id=${ben.id},${ann.id},nobody`, ann);
    expect(json.map((record: { name: string }) => record.name)).toEqual(["Ben", "Ann Example"]);
    expect(json[0]).not.toHaveProperty("login");
    expect((await get(backstay, `/account/get?id=${ben.id}`, ann)).json).toHaveLength(1);
  });

  it("shows the columns of _select, of others the public ones alone: another is refused by its name", async () => {
    const select = async (parameters: Record<string, string>, signer = ann) =>
      (await get(backstay, `/account/get?${query(parameters)}`, signer)).json;
    const ben = await addAccount(backstay, "Ben");
    expect(await select({ _select: "login,ctime" })).toEqual({ login: ann.login, ctime: expect.any(Number) });
    expect(await select({ id: `${ann.id},me`, _select: "id,login" })).toEqual([{ id: ann.id, login: ann.login }]);
    expect(await select({ id: ben.id, _select: "id,name" })).toEqual([{ id: ben.id, name: "Ben" }]);
    for (const column of ["email", "login", "type"]) {
      const message = `The column ${column} of others may not be read, filtered or sorted by.`;
      const refused = { status: 403, message };
      expect(await select({ id: ben.id, _select: `id,${column}` })).toEqual(refused);
      expect(await select({ id: `${ann.id},${ben.id}`, _select: column })).toEqual(refused);
      expect(await select({ id: "12345", _select: column })).toEqual(refused);
    }
    const admin = await addAdmin();
    expect(await select({ id: ben.id, _select: "id,login" }, admin)).toEqual([{ id: ben.id, login: ben.login }]);
  });

  it.each(["nope", "secret", "create_time", "__proto__"])("refuses _select=%s, which is no column", async (name) => {
    for (const path of ["/account/get?", `/account/get?id=${ann.id}&`, "/account/get?id=12345&", "/account/select?"]) {
      const { json } = await get(backstay, `${path}_select=id,${name}`, ann);
      expect(json).toEqual({ status: 400, message: `There is no column ${name} here.` });
    }
  });

  it("reads its parameters from a POST in place of the query", async () => {
    const { json } = await post(backstay, "/account/get?id=nobody", { id: ann.id }, ann);
    expect(json.map((record: { id: string }) => record.id)).toEqual([ann.id]);
  });

  it("refuses who has not signed with 401 in the predecessor's words", async () => {
    const { status, json } = await get(backstay, "/account/get");
    expect({ status, json }).toEqual({ status: 401, json: { status: 401, message: expect.any(String) } });
  });
});

describe("/account/select and /account/search", () => {
  let dave: Signer;
  beforeAll(async () => {
    dave = await addAccount(backstay, "Dave Selected");
    for (const name of ["Page 1", "Page 2", "Page 3", "Page 4", "Page 5"]) await addAccount(backstay, name);
  });

  it("find accounts by the columns that are given", async () => {
    const { json } = await get(backstay, `/account/search?${query({ name: "Dave Selected", _keys: "name" })}`, ann);
    expect(json).toMatchObject({ count: 1, data: [{ id: dave.id, name: "Dave Selected" }], next_token: "" });
    expect(json.data[0]).not.toHaveProperty("login");
  });

  it.each([
    ["begins_with", "Page"],
    ["like", "Page%"],
    ["ilike", "page _"],
    ["ilike%", "PAGE"],
    ["iregexp", "^page [1-5]$"],
    ["in", "Page 1,Page 2,Page 3,Page 4,Page 5"],
    ["between", "Page 1,Page 5"],
  ])("compare by %s", async (op, name) => {
    const { json } = await get(backstay, `/account/select?${query({ name, _ops: `name,${op}`, _keys: "name" })}`, ann);
    expect(json.data.map((record: { name: string }) => record.name)).toEqual([1, 2, 3, 4, 5].map((n) => `Page ${n}`));
  });

  it("page by _count and _token, or by _start and _page, and sort by _sort and _desc", async () => {
    const pages = (extra: Record<string, string>) =>
      get(
        backstay,
        `/account/select?${query({ name: "Page", _ops: "name,begins_with", _keys: "name", _count: "2", ...extra })}`,
        ann,
      );
    const names = ({ json }: { json: { data: { name: string }[] } }) => json.data.map(({ name }) => name);
    const first = await pages({});
    expect(names(first)).toEqual(["Page 1", "Page 2"]);
    expect(names(await pages({ _token: first.json.next_token }))).toEqual(["Page 3", "Page 4"]);
    expect(names(await pages({ _start: "3" }))).toEqual(["Page 4", "Page 5"]);
    expect(names(await pages({ _page: "3" }))).toEqual(["Page 5"]);
    expect(names(await pages({ _page: "4" }))).toEqual([]);
    expect(names(await pages({ _sort: "name", _desc: "1" }))).toEqual(["Page 5", "Page 4"]);
    expect((await pages({ _desc: "1", _token: first.json.next_token })).status).toBe(400);
  });

  it("look through a bounded number of rows before _start, and say where to go on", async () => {
    const pattern = { name: "nobody at all", _ops: "name,regexp", _keys: "name", _start: "1" };
    const { json } = await get(backstay, `/account/select?${query(pattern)}`, ann);
    expect(json).toMatchObject({ count: 0, data: [] });
  });

  it("find who is banned, and whose address is verified, for administrators alone", async () => {
    const admin = await addAdmin();
    const [banned, verified] = [await addAccount(backstay, "Banned One"), await addAccount(backstay, "Verified One")];
    const sql = openDatabase(backstay);
    await sql`update backstay.accounts set status = 'banned' where id = ${banned.id}`;
    await sql`update backstay.accounts set email_verified_at = now() where id = ${verified.id}`;
    const select = async (parameters: Record<string, string>, signer = admin) =>
      (await get(backstay, `/account/select?${query(parameters)}`, signer)).json;
    expect(await select({ status: "banned", _select: "id,status" })).toMatchObject({
      data: [{ id: banned.id, status: "banned" }],
    });
    expect(await select({ email_verified: "true", _select: "id,email_verified" })).toMatchObject({
      data: [{ id: verified.id, email_verified: true }],
    });
    expect(await select({ status: "banned" }, ann)).toMatchObject({
      status: 403,
      message: expect.stringContaining("status"),
    });
    expect(await select({ status: "gone" })).toMatchObject({
      status: 400,
      message: expect.stringContaining("active or banned"),
    });
  });

  it("show the columns of _select", async () => {
    const { json } = await get(
      backstay,
      `/account/select?${query({ name: "Dave Selected", _select: "id,name" })}`,
      ann,
    );
    expect(json.data).toEqual([{ id: dave.id, name: "Dave Selected" }]);
  });

  it.each([
    ["filter", { email: "test", _ops: "email,begins_with" }],
    ["show", { _select: "id,email" }],
    ["sort", { _sort: "email" }],
  ] as [string, Record<string, string>][])(
    "do not %s by a column that is not public, and name it",
    async (_, parameters) => {
      const { status, json } = await get(backstay, `/account/search?${query(parameters)}`, ann);
      expect({ status, json }).toEqual({
        status: 403,
        json: { status: 403, message: expect.stringContaining("email") },
      });
    },
  );

  it.each([
    [{ name: "x", _ops: "name,expr" }, "_ops: expr is no operator of clients"],
    [{ name: "(", _ops: "name,regexp" }, "no regular expression"],
    [{ _count: "501" }, "more than a page"],
    [{ _count: "-1" }, "less than none"],
    [{ _start: "10001" }, "too many rows left out"],
    [{ _token: "x" }, "a damaged token"],
    [{ nosuch: "1", _ops: "nosuch,gt" }, "no such column"],
    [{ name: "x", _ops: "name,gt,name,lt" }, "a column twice"],
  ] as [Record<string, string>, string][])("refuse %j: %s", async (parameters) => {
    const { status, json } = await get(backstay, `/account/select?${query(parameters)}`, ann);
    expect({ status, json }).toEqual({ status: 400, json: { status: 400, message: expect.any(String) } });
  });
});

describe("/account/select", () => {
  it("names the column whose value is refused", async () => {
    expect((await get(backstay, "/account/select?name=%00", ann)).json).toEqual({
      status: 400,
      message: "name: Text contains a NUL character.",
    });
    expect((await get(backstay, "/account/select?name=a,%00&_ops=name,in", ann)).json.message).toMatch(/^name: /);
  });

  it("takes what _keys names for conditions, and nothing else", async () => {
    const named = await get(
      backstay,
      `/account/select?${query({ name: "Ann Example", alias: "x", _keys: "name" })}`,
      ann,
    );
    expect(named.json.data).toMatchObject([{ id: ann.id }]);
    const ops = query({ name: "Ann Example", alias: "x", _keys: "name", _ops: "alias,ne,name,eq" });
    expect((await get(backstay, `/account/select?${ops}`, ann)).json.data).toMatchObject([{ id: ann.id }]);
    const twice = query({ name: "A", _ops: "name,gt,name,lt" });
    expect((await get(backstay, `/account/select?${twice}`, ann)).json.message).toBe(
      "The column name stands twice in _ops.",
    );
  });
});

describe("/account/update, /account/del and /account/put/secret", () => {
  it("update only what has a value", async () => {
    const eve = await addAccount(backstay, "Eve");
    const { json } = await get(
      backstay,
      `/account/update?${query({ alias: "Hidden Name", gender: "m", name: "" })}`,
      eve,
    );
    expect(json).toMatchObject({ id: eve.id, name: "Eve", alias: "Hidden Name", gender: "m" });
  });

  it("change the secret of a signed call without the old one; the old one signs no more", async () => {
    const fay = await addAccount(backstay);
    expect((await get(backstay, "/account/put/secret?secret=blahblahblah", fay)).status).toBe(200);
    expect((await get(backstay, "/auth", fay)).status).toBe(401);
    expect((await get(backstay, "/auth", { ...fay, secret: "blahblahblah" })).json.id).toBe(fay.id);
  });

  it("need the old secret when a token calls", async () => {
    const person = await backstay.signUp();
    const authorization = `Bearer ${person.token}`;
    const change = (body: object) => post(backstay, "/account/put/secret", body, undefined, { authorization });
    for (const old of [undefined, "wrong"]) {
      expect((await change({ secret: "a new secret", old })).status).toBe(401);
    }
    expect((await get(backstay, "/account/get", undefined, { authorization })).status).toBe(200);
    expect((await change({ secret: "a new secret", old: person.secret })).status).toBe(200);
    // The secret came by a compat path, so it signs from now on.
    expect((await get(backstay, "/auth", { ...person, secret: "a new secret" })).json.id).toBe(person.id);
  });

  it("delete the account that id names, which an administrator may", async () => {
    const [admin, gil, hal] = [await addAdmin(), await addAccount(backstay), await addAccount(backstay)];
    expect(await get(backstay, `/account/del?id=${gil.id}`, hal)).toMatchObject({ status: 403, json: { status: 403 } });
    expect((await get(backstay, "/account/del?id=12345", hal)).status).toBe(404);
    expect((await get(backstay, `/account/del?id=${hal.id}`, admin)).json).toEqual({});
    expect((await get(backstay, "/auth", admin)).json.id).toBe(admin.id);
    expect((await get(backstay, "/auth", gil)).json.id).toBe(gil.id);
    expect((await get(backstay, "/auth", hal)).status).toBe(401);
    expect((await get(backstay, `/account/del?id=${gil.id}`, gil)).json).toEqual({});
    expect((await get(backstay, "/auth", gil)).status).toBe(401);
  });

  it.each(["id=", `login=${encodeURIComponent("somebody@test.com")}`, "type=admin", "_keys=id"])(
    "delete nothing for %s, which does not say whom",
    async (text) => {
      const ira = await addAccount(backstay);
      expect((await get(backstay, `/account/del?${text}`, ira)).json).toMatchObject({ status: 400 });
      expect((await get(backstay, "/auth", ira)).json.id).toBe(ira.id);
    },
  );

  it("change nobody's secret but the caller's, be it an administrator who asks", async () => {
    const [admin, joe] = [await addAdmin(), await addAccount(backstay)];
    const change = async (parameters: Record<string, string>, signer: Signer) =>
      (await post(backstay, "/account/put/secret", { secret: "another secret", ...parameters }, signer)).json;
    expect(await change({ id: joe.id }, admin)).toMatchObject({ status: 403 });
    expect(await change({ id: admin.id }, joe)).toMatchObject({ status: 403 });
    expect(await change({ id: "" }, admin)).toMatchObject({ status: 400, message: expect.stringContaining("id") });
    expect(await change({ login: joe.login }, admin)).toMatchObject({
      status: 400,
      message: expect.stringContaining("login"),
    });
    for (const signer of [admin, joe]) expect((await get(backstay, "/auth", signer)).json.id).toBe(signer.id);
    expect(await change({ id: joe.id }, joe)).toEqual({});
  });

  it("delete the account: its credentials work no more", async () => {
    const gus = await addAccount(backstay);
    expect(await get(backstay, "/account/del", gus)).toMatchObject({ status: 200, json: {} });
    expect((await get(backstay, "/account/get", gus)).status).toBe(401);
  });
});
