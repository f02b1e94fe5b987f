import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, curl, curlRefused, openDatabase, operatorToken, testClock, upTo } from "../support.js";

const LIST = "accounts.v1.AccountService/ListAccounts";

interface AccountJson {
  id: string;
  login?: string;
  name: string;
  email?: string;
  createTime: string;
}

interface Page {
  accounts?: AccountJson[];
  nextPageToken?: string;
}

interface Filter {
  column: string;
  op?: string;
  values?: unknown[];
}

let backstay: TestBackstay;
let ada: Person;
/** The installation's own command line, which sees every account whole. */
let admin: string;
const clock = testClock();
/** When accounts are made that a test makes for itself. */
const MADE_FROM = new Date("2031-06-01T00:00:00Z");
const JSON_BODY = { "content-type": "application/json" };

const PEOPLE = [
  { login: "grace", name: "Grace Hopper", alias: "Amazing", email: "grace@navy.example", roles: ["editor"] },
  { login: "alan", name: "Alan Turing", alias: "50%_off", phone: "+44 1", roles: ["editor", "judge"] },
  { login: "emmy", name: "emmy Noether", alias: "Back\\slash", gender: "f", birthday: "1882-03-23" },
  { login: "zoe", name: "Zoë Ångström", alias: "été", address: "Line 1\nLine 2" },
  { login: "Alan2", name: "alan kay", alias: "x" },
];

beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  admin = operatorToken(backstay);
  for (const person of PEOPLE) {
    clock.advance(1_000);
    await curl(backstay, "accounts.v1.AccountService/CreateAccount", { ...person, secret: "correct horse" }, admin);
  }
  clock.advance(1_000);
  ada = await backstay.signUp("ada");
});
afterEach(async () => {
  const sql = openDatabase(backstay);
  await sql`delete from backstay.accounts where created_at >= ${MADE_FROM}`;
});
afterAll(() => backstay.stop());

const page = (request: object = {}, token = ada.token) => curl<Page>(backstay, LIST, request, token);
const list = async (request: object = {}, token = ada.token) => (await page(request, token)).accounts ?? [];
const refused = (request: object, token = ada.token) => curlRefused(backstay, LIST, request, token);
/** The first names of who passes the filters, in the order of the list. */
const named = async (filters: Filter[], token = ada.token, more: object = {}) =>
  (await list({ filters, ...more }, token)).map(({ name }) => name.split(" ")[0]);

describe("everyone", () => {
  it("is listed with public fields, oldest first, and oneself whole", async () => {
    const accounts = await list();
    expect(accounts.map(({ name }) => name)).toEqual([...PEOPLE.map(({ name }) => name), "Name of ada"]);
    const [grace] = accounts;
    expect(Object.keys(grace!).sort()).toEqual(["alias", "createTime", "id", "name", "updateTime"]);
    expect(accounts.at(-1)).toMatchObject({ id: ada.id, login: "ada" });
  });

  it("is listed whole for an administrator", async () => {
    const [grace] = await list({}, admin);
    expect(grace).toMatchObject({ login: "grace", email: "grace@navy.example", roles: ["editor"] });
  });

  it("is listed alike by REST, by GET and by search", async () => {
    const rest = async (path: string, init?: RequestInit) => {
      const response = await fetch(`${backstay.url}${path}`, {
        ...init,
        headers: { ...bearer(ada.token), ...JSON_BODY },
      });
      return (await response.json()) as Page;
    };
    const filters = [{ column: "name", op: "begins_with", values: ["Alan"] }];
    expect(await rest("/v1/accounts?pageSize=2")).toEqual(await page({ pageSize: 2 }));
    const search = await rest("/v1/accounts:search", { method: "POST", body: JSON.stringify({ filters }) });
    expect(search.accounts?.map(({ name }) => name)).toEqual(["Alan Turing"]);
  });

  it("is listed for accounts only", async () => {
    expect(await refused({}, "")).toMatchObject({ code: "unauthenticated" });
  });
});

describe("a filter on text", () => {
  it.each<[string, Filter, string[]]>([
    ["is equal when nothing else is said", { column: "name", values: ["Alan Turing"] }, ["Alan"]],
    [
      "ne is everything but that",
      { column: "alias", op: "ne", values: ["x"] },
      ["Grace", "Alan", "emmy", "Zoë", "Name"],
    ],
    ["gt and le compare bytes", { column: "name", op: "gt", values: ["a"] }, ["emmy", "alan"]],
    ["lt takes capitals before small letters", { column: "name", op: "lt", values: ["B"] }, ["Alan"]],
    [
      "between includes its ends",
      { column: "alias", op: "between", values: ["50%_off", "Amazing"] },
      ["Grace", "Alan"],
    ],
    ["not_between is the rest", { column: "alias", op: "not_between", values: ["50%_off", "x"] }, ["Zoë"]],
    ["in is any of several", { column: "alias", op: "in", values: ["x", "nobody", "été"] }, ["Zoë", "alan"]],
    [
      "not_in is none of several",
      { column: "alias", op: "not_in", values: ["x", "été", "ada", "Amazing"] },
      ["Alan", "emmy", "Name"],
    ],
    ["begins_with takes % as it is", { column: "alias", op: "begins_with", values: ["50%"] }, ["Alan"]],
    ["begins_with takes _ as it is", { column: "alias", op: "begins_with", values: ["50__"] }, []],
    ["contains takes % and _ as they are", { column: "alias", op: "contains", values: ["%_"] }, ["Alan"]],
    ["contains takes a backslash as it is", { column: "alias", op: "contains", values: ["k\\s"] }, ["emmy"]],
    ["like knows % and _", { column: "name", op: "like", values: ["_lan %"] }, ["Alan", "alan"]],
    ["like counts characters, not bytes", { column: "alias", op: "like", values: ["_t_"] }, ["Zoë"]],
    ["like is about case", { column: "name", op: "like", values: ["alan%"] }, ["alan"]],
    ["like takes an escaped % as it is", { column: "alias", op: "like", values: ["50\\%\\_%"] }, ["Alan"]],
    ["ilike is about no case", { column: "name", op: "ilike", values: ["alan%"] }, ["Alan", "alan"]],
    ["ilike knows the case of every letter", { column: "name", op: "ilike", values: ["ZOË åNG%"] }, ["Zoë"]],
    [
      "matches is RE2, found anywhere",
      { column: "name", op: "matches", values: ["^[A-Z]\\w+ [HT]"] },
      ["Grace", "Alan"],
    ],
    ["imatches is about no case", { column: "name", op: "imatches", values: ["ALAN|å"] }, ["Alan", "Zoë", "alan"]],
    [
      "a column may be named as in JSON",
      { column: "createTime", op: "not_null" },
      ["Grace", "Alan", "emmy", "Zoë", "alan", "Name"],
    ],
  ])("%s", async (_, filter, expected) => {
    expect(await named([filter])).toEqual(expected);
  });

  it("takes a number as it is written", async () => {
    expect(await named([{ column: "name", values: [0] }])).toEqual([]);
    expect(await named([{ column: "alias", op: "contains", values: [50] }])).toEqual(["Alan"]);
  });

  it("takes what was never given for null", async () => {
    expect(await named([{ column: "email", op: "not_null" }], admin)).toEqual(["Grace"]);
    expect(await named([{ column: "gender", op: "is_null" }], admin)).not.toContain("emmy");
  });

  it("takes SQL in a value for text", async () => {
    for (const op of ["eq", "contains", "begins_with", "like", "ilike", "matches"]) {
      expect(await named([{ column: "name", op, values: ["' or true --"] }]), op).toEqual([]);
    }
  });
});

describe("a filter on the login", () => {
  const byLogin = (op: string, ...values: string[]) => named([{ column: "login", op, values }], admin);

  it("takes it as SignIn does, whatever its case and Unicode form", async () => {
    for (const login of ["Alan2", "alan2", "ＡＬＡＮ２", "ａlan②"]) {
      expect(await byLogin("eq", login), login).toEqual(["alan"]);
      expect(await byLogin("in", "nobody", login), login).toEqual(["alan"]);
      expect(await byLogin("ne", login), login).toHaveLength(5);
    }
  });

  it("finds nobody by what no login can be, and everybody by its opposite", async () => {
    for (const login of ["nobody", "", " alan2", "alan\u200B2", "alan%", "x".repeat(2_000)]) {
      expect(await byLogin("eq", login), login).toEqual([]);
      expect(await byLogin("not_in", login), login).toHaveLength(6);
    }
  });

  it("compares it as it was typed in every other way", async () => {
    expect(await byLogin("begins_with", "Alan")).toEqual(["alan"]);
    expect(await byLogin("like", "alan%")).toEqual(["Alan"]);
  });
});

describe("a filter on an id", () => {
  const NOBODY = "0190163d8694739b8b1fcb8dd4e60777";

  it("finds the account, also with dashes", async () => {
    const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    for (const id of [ada.id, dashed]) expect(await named([{ column: "id", values: [id] }])).toEqual(["Name"]);
    expect(await named([{ column: "id", op: "in", values: [NOBODY, "nobody", ada.id] }])).toEqual(["Name"]);
  });

  it("finds nothing by what is no id, and everything by its opposite", async () => {
    for (const op of ["eq", "gt", "le", "in"]) {
      expect(await named([{ column: "id", op, values: ["nobody"] }]), op).toEqual([]);
    }
    expect(await named([{ column: "id", op: "between", values: [ada.id, "zzz"] }])).toEqual([]);
    expect(await named([{ column: "id", op: "ne", values: ["nobody"] }])).toHaveLength(6);
    expect(await named([{ column: "id", op: "not_in", values: ["nobody", 7] }])).toHaveLength(6);
  });
});

describe("a filter on a time", () => {
  it("takes RFC 3339 in any zone, and milliseconds as a number or text", async () => {
    const [, alan] = await list();
    const ms = Date.parse(alan!.createTime);
    const inZone = new Date(ms + 3_600_000).toISOString().replace("Z", "+01:00");
    for (const value of [alan!.createTime, inZone, ms, String(ms)]) {
      expect(await named([{ column: "create_time", values: [value] }]), `${value}`).toEqual(["Alan"]);
    }
  });

  it("that is finer than a millisecond lies between two", async () => {
    const [, alan] = await list();
    const finer = alan!.createTime.replace("Z", "001Z");
    expect(await named([{ column: "create_time", values: [finer] }])).toEqual([]);
    expect(await named([{ column: "create_time", op: "lt", values: [finer] }])).toEqual(["Grace", "Alan"]);
    expect(await named([{ column: "create_time", op: "ge", values: [finer] }])).toEqual([
      "emmy",
      "Zoë",
      "alan",
      "Name",
    ]);
  });

  it("may lie at the ends of the calendar", async () => {
    const ends = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"];
    expect(await named([{ column: "create_time", op: "between", values: ends }])).toHaveLength(6);
  });
});

describe("several filters", () => {
  it("must all hold, patterns among them", async () => {
    const both = [
      { column: "name", op: "imatches", values: ["alan"] },
      { column: "alias", op: "ne", values: ["x"] },
      { column: "name", op: "matches", values: ["g$"] },
    ];
    expect(await named(both)).toEqual(["Alan"]);
  });

  it("are at most 16", async () => {
    const filters = Array(17).fill({ column: "name", values: ["x"] });
    expect(await refused({ filters })).toMatchObject({ reason: "INVALID_FIELD", fields: ["filters"] });
  });
});

describe("a filter on roles", () => {
  it.each<[string, unknown[], string[]]>([
    ["contains", ["editor"], ["Grace", "Alan"]],
    ["eq", ["judge"], ["Alan"]],
    ["in", ["judge", "editor"], ["Grace", "Alan"]],
    ["is_null", [], ["emmy", "Zoë", "alan", "Name"]],
    ["ne", ["judge"], ["Grace", "emmy", "Zoë", "alan", "Name"]],
  ])("%s looks for one role among them", async (op, values, expected) => {
    expect(await named([{ column: "roles", op, values }], admin)).toEqual(expected);
  });
});

describe("a filter on one of a few words", () => {
  /** Alan is banned, and Grace has shown that her address is hers. */
  async function setUp() {
    const sql = openDatabase(backstay);
    onTestFinished(async () => {
      await sql`update backstay.accounts set status = 'active', email_verified_at = null`;
    });
    await sql`update backstay.accounts set status = 'banned' where name = 'Alan Turing'`;
    await sql`update backstay.accounts set email_verified_at = now() where name = 'Grace Hopper'`;
  }
  const OTHERS = ["emmy", "Zoë", "alan", "Name"];

  it.each<[string, Filter, string[]]>([
    ["banned", { column: "status", values: ["banned"] }, ["Alan"]],
    ["not active", { column: "status", op: "ne", values: ["active"] }, ["Alan"]],
    ["either", { column: "status", op: "in", values: ["active", "banned"] }, ["Grace", "Alan", ...OTHERS]],
    ["banned by pattern", { column: "status", op: "matches", values: ["^ban"] }, ["Alan"]],
    ["verified", { column: "email_verified", values: [true] }, ["Grace"]],
    ["verified, in words", { column: "emailVerified", values: ["true"] }, ["Grace"]],
    ["not verified", { column: "email_verified", values: [false] }, ["Alan", ...OTHERS]],
    ["not verified by pattern", { column: "email_verified", op: "matches", values: ["false"] }, ["Alan", ...OTHERS]],
  ])("finds who is %s", async (_, filter, expected) => {
    await setUp();
    expect(await named([filter], admin)).toEqual(expected);
  });

  it("is refused for any other word", async () => {
    for (const [column, value] of [
      ["status", "ACCOUNT_STATUS_BANNED"],
      ["status", true],
      ["email_verified", "yes"],
    ] as const) {
      expect(await refused({ filters: [{ column, values: [value] }] }, admin)).toMatchObject({
        reason: "INVALID_FILTER",
        fields: ["filters[0].values[0]"],
      });
    }
  });

  it("is one on a column to sort by and to read", async () => {
    await setUp();
    const read = { readMask: "name,status,emailVerified", pageSize: 2 };
    const byStatus: unknown[] = [];
    for await (const part of pages({ ...read, sort: "status", descending: true }, admin)) byStatus.push(...part);
    expect(byStatus).toHaveLength(6);
    expect(byStatus[0]).toEqual({ name: "Alan Turing", status: "ACCOUNT_STATUS_BANNED" });
    const byVerified: unknown[] = [];
    for await (const part of pages({ ...read, sort: "email_verified", descending: true }, admin)) {
      byVerified.push(...part);
    }
    expect(byVerified).toHaveLength(6);
    expect(byVerified[0]).toMatchObject({ name: "Grace Hopper", emailVerified: true });
  });
});

describe("a filter is refused", () => {
  it.each<[string, Filter, string, string]>([
    ["for a column that is not there", { column: "secret", values: ["x"] }, "UNKNOWN_COLUMN", "filters[1].column"],
    ["for a column every object has", { column: "constructor", values: ["x"] }, "UNKNOWN_COLUMN", "filters[1].column"],
    ["for SQL as a column", { column: "a.name", values: ["x"] }, "UNKNOWN_COLUMN", "filters[1].column"],
    ["without a value", { column: "name" }, "INVALID_FILTER", "filters[1].values"],
    ["with two values for eq", { column: "name", values: ["x", "y"] }, "INVALID_FILTER", "filters[1].values"],
    [
      "with one value for between",
      { column: "name", op: "between", values: ["x"] },
      "INVALID_FILTER",
      "filters[1].values",
    ],
    [
      "with a value for is_null",
      { column: "name", op: "is_null", values: ["x"] },
      "INVALID_FILTER",
      "filters[1].values",
    ],
    ["with no value for in", { column: "name", op: "in", values: [] }, "INVALID_FILTER", "filters[1].values"],
    ["with null for text", { column: "name", values: [null] }, "INVALID_FILTER", "filters[1].values[0]"],
    [
      "with a list for text",
      { column: "name", op: "in", values: ["x", ["y"]] },
      "INVALID_FILTER",
      "filters[1].values[1]",
    ],
    ["with a boolean for text", { column: "name", values: [true] }, "INVALID_FILTER", "filters[1].values[0]"],
    [
      "with text for a time",
      { column: "create_time", values: ["yesterday"] },
      "INVALID_FILTER",
      "filters[1].values[0]",
    ],
    [
      "with a day no month has",
      { column: "create_time", values: ["2031-02-30T00:00:00Z"] },
      "INVALID_FILTER",
      "filters[1].values[0]",
    ],
    [
      "with a time beyond the calendar",
      { column: "create_time", values: [1e15] },
      "INVALID_FILTER",
      "filters[1].values[0]",
    ],
    ["with like on a time", { column: "create_time", op: "like", values: ["2%"] }, "INVALID_FILTER", "filters[1].op"],
    ["with matches on an id", { column: "id", op: "matches", values: ["a"] }, "INVALID_FILTER", "filters[1].op"],
    [
      "with a pattern that ends in an escape",
      { column: "name", op: "like", values: ["a\\"] },
      "INVALID_FILTER",
      "filters[1].values[0]",
    ],
    [
      "with a pattern of 257 characters",
      { column: "name", op: "like", values: ["%".repeat(257)] },
      "INVALID_FILTER",
      "filters[1].values[0]",
    ],
    [
      "with a group that stays open",
      { column: "name", op: "matches", values: ["(a"] },
      "INVALID_PATTERN",
      "filters[1].values[0]",
    ],
    [
      "with a look ahead",
      { column: "name", op: "matches", values: ["(?=a)"] },
      "INVALID_PATTERN",
      "filters[1].values[0]",
    ],
    [
      "with a look back",
      { column: "name", op: "matches", values: ["(?<=a)b"] },
      "INVALID_PATTERN",
      "filters[1].values[0]",
    ],
    [
      "with a back reference",
      { column: "name", op: "imatches", values: ["(a)\\1"] },
      "INVALID_PATTERN",
      "filters[1].values[0]",
    ],
    [
      "with too many repeats",
      { column: "name", op: "matches", values: ["(a{50}){50}"] },
      "INVALID_PATTERN",
      "filters[1].values[0]",
    ],
    [
      "with an operator nobody knows",
      { column: "name", op: "expr", values: ["1=1"] },
      "INVALID_FIELD",
      "filters[1].op",
    ],
  ])("%s", async (_, filter, reason, field) => {
    const filters = [{ column: "name", op: "not_null" }, filter];
    expect(await refused({ filters })).toEqual({ code: "invalid_argument", reason, fields: [field] });
  });
});

describe("what is not public", () => {
  const forbidden = (field: string) => ({ code: "permission_denied", reason: "COLUMN_FORBIDDEN", fields: [field] });
  const PRIVATE = ["login", "email", "phone", "gender", "birthday", "address", "roles", "status", "emailVerified"];

  it.each(PRIVATE)("is not to be filtered, sorted or read by anyone but administrators: %s", async (column) => {
    const filters = [{ column, op: "is_null" }];
    expect(await refused({ filters })).toEqual(forbidden("filters[0].column"));
    expect(await refused({ sort: column })).toEqual(forbidden("sort"));
    expect(await refused({ readMask: column })).toEqual(forbidden("readMask"));
    expect(await list({ filters: [{ column, op: "not_null" }], readMask: column }, admin)).toBeDefined();
  });

  it("is named by the refusal, which is 403 by REST", async () => {
    const body = JSON.stringify({ filters: [{ column: "email", op: "contains", values: ["@"] }] });
    const init = { method: "POST", body, headers: { ...bearer(ada.token), ...JSON_BODY } };
    const response = await fetch(`${backstay.url}/v1/accounts:search`, init);
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("The column email of others");
  });

  it("is not shown to others by being sorted or filtered by public columns", async () => {
    const [alan] = await list({ filters: [{ column: "name", values: ["Alan Turing"] }], sort: "name" });
    expect(Object.keys(alan!)).not.toContain("phone");
  });
});

describe("the read mask", () => {
  it("says which fields are shown, of oneself too", async () => {
    const accounts = await list({ readMask: "name,createTime" });
    for (const account of accounts) expect(Object.keys(account)).toEqual(["name", "createTime"]);
  });

  it("shows administrators what they ask for", async () => {
    expect((await list({ readMask: "login" }, admin))[0]).toEqual({ login: "grace" });
  });

  it("is refused for a field that is not there", async () => {
    expect(await refused({ readMask: "name,secret" })).toMatchObject({
      reason: "UNKNOWN_COLUMN",
      fields: ["readMask"],
    });
  });
});

describe("the order", () => {
  it.each<[string, boolean, string[]]>([
    ["name", false, ["Alan", "Grace", "Name", "Zoë", "alan", "emmy"]],
    ["name", true, ["emmy", "alan", "Zoë", "Name", "Grace", "Alan"]],
    ["id", false, ["Grace", "Alan", "emmy", "Zoë", "alan", "Name"]],
    ["updateTime", true, ["Name", "alan", "Zoë", "emmy", "Alan", "Grace"]],
  ])("is that of %s, descending: %s", async (sort, descending, expected) => {
    expect(await named([], ada.token, { sort, descending })).toEqual(expected);
    expect(await allNames({ sort, descending, pageSize: 1 })).toEqual(expected);
  });

  it.each(["login", "email", "phone", "gender", "birthday", "address"])(
    "may be that of %s for administrators",
    async (sort) => {
      const whole = await list({ sort, readMask: "id" }, admin);
      const ids: unknown[] = [];
      for await (const part of pages({ sort, readMask: "id", pageSize: 1 }, admin)) ids.push(...part);
      expect(ids).toEqual(whole);
      expect(whole).toHaveLength(6);
    },
  );

  it("cannot be that of roles, nor of what is not there", async () => {
    expect(await refused({ sort: "roles" }, admin)).toMatchObject({ reason: "UNKNOWN_COLUMN", fields: ["sort"] });
    expect(await refused({ sort: "id desc" })).toMatchObject({ reason: "UNKNOWN_COLUMN", fields: ["sort"] });
  });
});

async function* pages(request: object, token = ada.token): AsyncGenerator<AccountJson[]> {
  for (let pageToken = ""; ; ) {
    const { accounts = [], nextPageToken = "" } = await page({ ...request, pageToken }, token);
    yield accounts;
    pageToken = nextPageToken;
    if (pageToken === "") return;
  }
}

async function allNames(request: object): Promise<(string | undefined)[]> {
  const names: (string | undefined)[] = [];
  for await (const accounts of pages(request)) names.push(...accounts.map(({ name }) => name.split(" ")[0]));
  return names;
}

describe("pages", () => {
  const invalid = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };

  it("show each account once, by any order, while others are made", async () => {
    const known = new Set((await list({ pageSize: 500 })).map(({ id }) => id));
    for (const [n, request] of [
      {},
      { descending: true },
      { sort: "name" },
      { sort: "name", descending: true },
    ].entries()) {
      const seen: string[] = [];
      let made = 0;
      for await (const accounts of pages({ ...request, pageSize: 2 })) {
        seen.push(...accounts.map(({ id }) => id));
        await insert([`Late ${n} ${made++}`]);
      }
      expect(new Set(seen).size).toBe(seen.length);
      for (const id of known) expect(seen).toContain(id);
    }
  });

  it("keep accounts of one name and one time apart", async () => {
    await insert(Array(25).fill("Twin"), { atOnce: true });
    const filters = [{ column: "name", values: ["Twin"] }];
    for (const sort of ["name", "create_time"]) {
      const seen: string[] = [];
      for await (const accounts of pages({ filters, sort, pageSize: 4 })) seen.push(...accounts.map(({ id }) => id));
      expect(new Set(seen).size, sort).toBe(25);
      expect(seen).toEqual([...seen].sort());
    }
  });

  it("have 50 accounts when nobody says how many, and at most 500", async () => {
    await insert(upTo(60).map((n) => `Many ${n}`));
    expect(await list()).toHaveLength(50);
    expect((await list({ pageSize: 500 })).length).toBe(66);
    expect(await refused({ pageSize: 501 })).toMatchObject({ reason: "INVALID_FIELD", fields: ["pageSize"] });
  });

  it.each<[string, object]>([
    ["another filter", { filters: [{ column: "name", op: "ne", values: ["y"] }] }],
    ["no filter", { filters: [] }],
    ["another order", { sort: "name" }],
    ["the other direction", { descending: true }],
    ["another mask", { readMask: "id" }],
  ])("of one query are not those of %s", async (_, more) => {
    const query = { filters: [{ column: "name", op: "ne", values: ["x"] }], pageSize: 1 };
    const { nextPageToken } = await page(query);
    expect(await refused({ ...query, ...more, pageToken: nextPageToken })).toEqual(invalid);
    expect(await page({ ...query, pageSize: 2, pageToken: nextPageToken })).toBeDefined();
  });

  it("go on after a sort value as long as a column holds", async () => {
    const sql = openDatabase(backstay);
    const address = "\u0001".repeat(512);
    await sql`update backstay.accounts set address = ${address} where id = ${ada.id}`;
    const { nextPageToken } = await page({ sort: "address", descending: true, pageSize: 2 }, admin);
    expect(nextPageToken!.length).toBeLessThanOrEqual(4_096);
    const request = { sort: "address", pageSize: 5 };
    const first = await page(request, admin);
    expect(first.accounts).toHaveLength(5);
    expect(await page({ ...request, pageToken: first.nextPageToken }, admin)).toMatchObject({
      accounts: [{ id: expect.any(String) }],
    });
    await sql`update backstay.accounts set address = '' where id = ${ada.id}`;
  });
});

describe("a pattern that few pass", () => {
  it("answers what it found within the rows one call looks at, and the next page goes on from there", async () => {
    await insert([...upTo(7_000).map((n) => `Crowd ${n}`), "Needle"]);
    const filters = [{ column: "name", op: "matches", values: ["^Needle$"] }];
    const first = await page({ filters });
    expect(first.accounts ?? []).toEqual([]);
    expect(first.nextPageToken).not.toBe("");
    const found: string[] = [];
    for await (const accounts of pages({ filters })) found.push(...accounts.map(({ name }) => name));
    expect(found).toEqual(["Needle"]);
  });

  it("answers a page with no next one when no other account passes", async () => {
    const filters = [{ column: "name", op: "matches", values: ["^Alan"] }];
    expect((await page({ filters, pageSize: 1 })).nextPageToken ?? "").toBe("");
    const both = [{ column: "name", op: "imatches", values: ["^Alan"] }];
    const first = await page({ filters: both, pageSize: 1 });
    expect(first.accounts?.map(({ name }) => name)).toEqual(["Alan Turing"]);
    const second = await page({ filters: both, pageSize: 1, pageToken: first.nextPageToken });
    expect(second).toMatchObject({ accounts: [{ name: "alan kay" }] });
    expect(second.nextPageToken ?? "").toBe("");
  });
});

/** Makes accounts behind the server's back, one a millisecond or all at one time; they are gone after the test. */
async function insert(names: string[], { atOnce = false } = {}): Promise<void> {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.accounts
      (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
    select gen_random_uuid(), name, '', '', '', '', '', '', '{}', at, at
    from (
      select name, ${MADE_FROM}::timestamptz + (case when ${atOnce} then 0 else n end) * interval '1 ms' as at
      from unnest(${names}::text[]) with ordinality as made (name, n)
    ) as people`;
}
