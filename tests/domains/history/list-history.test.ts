import { timestampDate, timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, openDatabase, operator, refused, testClock, upTo } from "../support.js";

type Request = NonNullable<Parameters<Person["client"]["history"]["listHistory"]>[0]>;

let backstay: TestBackstay;
let ada: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const append = async (type: string) => (await ada.client.history.appendHistory({ type })).entry!;
/** Entries a millisecond apart. */
async function appendAll(...types: string[]) {
  for (const type of types) {
    clock.advance(1);
    await append(type);
  }
}
const list = (request: Request = {}) => ada.client.history.listHistory(request);
const typesOf = async (request: Request = {}) => (await list(request)).entries.map(({ type }) => type);

/** The ids of every page of a list; `between` runs after each. */
async function pages(request: Request, between: () => Promise<void> = async () => {}) {
  const found: { id: string; type: string }[] = [];
  for (let pageToken = ""; ; ) {
    const answer = await list({ ...request, pageToken });
    found.push(...answer.entries);
    pageToken = answer.nextPageToken;
    if (pageToken === "") return found;
    await between();
  }
}

/** Many entries at one moment. */
async function fill(count: number, at: Date, type = "many"): Promise<void> {
  await openDatabase(backstay)`insert into backstay.history (id, account_id, type, created_at)
    select gen_random_uuid(), ${ada.id}, ${type}, ${at} from generate_series(1, ${count})`;
}

describe("the order", () => {
  it("is that in which they were added, and its reverse when descending", async () => {
    await appendAll("one", "two", "three");
    expect(await typesOf()).toEqual(["one", "two", "three"]);
    expect(await typesOf({ descending: true })).toEqual(["three", "two", "one"]);
  });

  it("has nothing of others", async () => {
    const ben = await backstay.signUp();
    await ben.client.history.appendHistory({ type: "his" });
    expect(await list()).toMatchObject({ entries: [], nextPageToken: "" });
  });
});

describe("pages", () => {
  it.each([false, true])("show 1,000 entries of one millisecond each once: descending %s", async (descending) => {
    await appendAll("before");
    clock.advance(1);
    await fill(1_000, clock.now());
    await appendAll("after");
    const found = await pages({ pageSize: 37, descending });
    expect(found).toHaveLength(1_002);
    expect(new Set(found.map(({ id }) => id)).size).toBe(1_002);
    expect([found[0]!.type, found.at(-1)!.type].sort()).toEqual(["after", "before"]);
    const many = await pages({ pageSize: 499, type: "many", descending });
    expect(many.map(({ id }) => id)).toEqual(found.slice(1, -1).map(({ id }) => id));
  });

  it("repeat nothing and leave nothing out while others are added and removed", async () => {
    clock.advance(1);
    await fill(200, clock.now());
    await fill(20, clock.now(), "to go");
    const sql = openDatabase(backstay);
    const found = await pages({ pageSize: 9 }, async () => {
      await appendAll("late");
      await sql`delete from backstay.history where id in (
        select id from backstay.history where account_id = ${ada.id} and type = 'to go' order by id desc limit 1)`;
    });
    expect(new Set(found.map(({ id }) => id)).size).toBe(found.length);
    expect(found.filter(({ type }) => type === "many")).toHaveLength(200);
  });

  it.each([false, true])(
    "tell microseconds apart, as an importer may write them: descending %s",
    async (descending) => {
      const types = upTo(9).map(String);
      await openDatabase(backstay)`insert into backstay.history (id, account_id, type, created_at)
      select gen_random_uuid(), ${ada.id}, n, '2031-01-01T00:00:00.0059Z'::timestamptz + n * interval '1 microsecond'
      from generate_series(1, 9) n`;
      const expected = descending ? types.toReversed() : types;
      for (const pageSize of [1, 2]) {
        const request = { pageSize, descending };
        let [answer, found] = [await list(request), [] as string[]];
        // However many pages there are, they come to an end.
        for (const _ of upTo(9)) {
          found = [...found, ...answer.entries.map(({ type }) => type)];
          if (answer.nextPageToken !== "") answer = await list({ ...request, pageToken: answer.nextPageToken });
          else break;
        }
        expect(found).toEqual(expected);
      }
    },
  );

  it("have 50 entries when nobody says how many, and as many as asked for otherwise", async () => {
    await fill(51, clock.now());
    const first = await list();
    expect(first.entries).toHaveLength(50);
    expect((await list({ pageToken: first.nextPageToken })).entries).toHaveLength(1);
    const exact = await list({ pageSize: 51 });
    expect([exact.entries.length, exact.nextPageToken]).toEqual([51, ""]);
    expect(await refused(list({ pageSize: 501 }))).toMatchObject({ reason: "INVALID_FIELD", fields: ["pageSize"] });
  });

  it("are those of one query and of one account", async () => {
    await appendAll("one", "two");
    const { nextPageToken: pageToken } = await list({ pageSize: 1 });
    const ben = await backstay.signUp();
    const others: Request[] = [
      { descending: true },
      { type: "one" },
      { since: timestampFromMs(1) },
      { filters: [{ column: "type", op: "not_null" }] },
    ];
    for (const other of others) {
      expect(await refused(list({ ...other, pageToken }))).toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
    }
    expect(await refused(ben.client.history.listHistory({ pageToken }))).toMatchObject({ fields: ["pageToken"] });
    expect(await refused(list({ pageToken: "x" }))).toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
    expect(await typesOf({ pageToken })).toEqual(["two"]);
  });
});

describe("since", () => {
  it("is exclusive: only what is newer, to the millisecond", async () => {
    await appendAll("one", "two");
    const at = timestampDate((await list()).entries[0]!.createTime!).getTime();
    const since = (ms: number, more: Request = {}) => typesOf({ since: timestampFromMs(ms), ...more });
    expect(await since(at - 1)).toEqual(["one", "two"]);
    expect(await since(at)).toEqual(["two"]);
    expect(await since(at, { descending: true })).toEqual(["two"]);
    expect(await since(at + 1)).toEqual([]);
    // Finer parts of a millisecond make no difference.
    const { seconds, nanos } = timestampFromMs(at);
    expect(await typesOf({ since: { ...timestampFromMs(at), seconds, nanos: nanos + 999_999 } })).toEqual(["two"]);
  });

  it("leaves out what an importer wrote in that very millisecond, and nothing of the next", async () => {
    await openDatabase(backstay)`insert into backstay.history (id, account_id, type, created_at)
      values (gen_random_uuid(), ${ada.id}, 'same', '2031-01-01T00:00:00.005900Z'),
        (gen_random_uuid(), ${ada.id}, 'next', '2031-01-01T00:00:00.006Z')`;
    const since = timestampFromDate(new Date("2031-01-01T00:00:00.005Z"));
    for (const descending of [false, true]) expect(await typesOf({ since, descending })).toEqual(["next"]);
  });

  it("may lie before all time and after", async () => {
    await append("one");
    expect(await typesOf({ since: timestampFromDate(new Date("0001-01-01T00:00:00Z")) })).toEqual(["one"]);
    expect(await typesOf({ since: timestampFromDate(new Date("9999-12-31T23:59:59.999Z")) })).toEqual([]);
  });

  it("holds over all pages", async () => {
    await appendAll("old", "one", "two", "three");
    const since = (await list()).entries[0]!.createTime!;
    const types = async (request: Request) => (await pages({ since, pageSize: 1, ...request })).map(({ type }) => type);
    expect(await types({})).toEqual(["one", "two", "three"]);
    expect(await types({ descending: true })).toEqual(["three", "two", "one"]);
  });
});

describe("the type", () => {
  it("chooses those of just that type, on all pages; empty is all", async () => {
    await appendAll("visit", "sale", "visit", "visits", "visit");
    const found = await pages({ type: "visit", pageSize: 2 });
    expect(found.map(({ type }) => type)).toEqual(["visit", "visit", "visit"]);
    expect(await typesOf({ type: "none" })).toEqual([]);
    expect(await typesOf({ type: "" })).toHaveLength(5);
    expect(await refused(list({ type: "x".repeat(129) }))).toMatchObject({ fields: ["type"] });
  });
});

describe("filters", () => {
  const about = (column: string, op: string, ...values: string[]) => ({
    column,
    op,
    values: values.map((value) => ({ kind: { case: "stringValue", value } as const })),
  });

  it("choose by type, by time and by id, all of them together with the other fields", async () => {
    await appendAll("shop.visit", "shop.sale", "home.visit");
    const [first] = (await list()).entries;
    const at = timestampDate(first!.createTime!).toISOString();
    const types = (...filters: ReturnType<typeof about>[]) => typesOf({ filters });
    expect(await types(about("type", "begins_with", "shop."))).toEqual(["shop.visit", "shop.sale"]);
    expect(await types(about("type", "imatches", "VISIT$"))).toEqual(["shop.visit", "home.visit"]);
    expect(await types(about("create_time", "gt", at), about("type", "like", "%visit"))).toEqual(["home.visit"]);
    expect(await types(about("createTime", "le", at))).toEqual(["shop.visit"]);
    expect(await types(about("id", "in", first!.id, "nothing"))).toEqual(["shop.visit"]);
    expect(await typesOf({ type: "shop.sale", filters: [about("id", "ne", first!.id)] })).toEqual(["shop.sale"]);
  });

  it("hold over all pages, in both directions", async () => {
    await appendAll(...upTo(9).map((n) => (n % 3 === 0 ? `third ${n}` : `other ${n}`)));
    for (const filters of [[about("type", "matches", "^third")], [about("type", "like", "third%")]]) {
      const types = async (more: Request) => (await pages({ filters, ...more })).map(({ type }) => type);
      expect(await types({ pageSize: 2 })).toEqual(["third 3", "third 6", "third 9"]);
      expect(await types({ pageSize: 1, descending: true })).toEqual(["third 9", "third 6", "third 3"]);
    }
  });

  it("know no other column", async () => {
    for (const column of ["data", "account_id", "created_at"]) {
      expect(await refused(list({ filters: [about(column, "not_null")] })), column).toEqual({
        code: "invalid_argument",
        reason: "UNKNOWN_COLUMN",
        fields: ["filters[0].column"],
      });
    }
  });

  it("are taken by REST's search; the path itself is the list", async () => {
    await appendAll("1", "2");
    const headers = { ...bearer(ada.token), "content-type": "application/json" };
    const body = JSON.stringify({ filters: [{ column: "type", values: [2] }] });
    const found = await fetch(`${backstay.url}/v1/history:search`, { method: "POST", headers, body });
    expect(await found.json()).toMatchObject({ entries: [{ type: "2" }] });
    const listed = await fetch(`${backstay.url}/v1/history?type=1`, { headers: bearer(ada.token) });
    expect(await listed.json()).toMatchObject({ entries: [{ type: "1" }] });
  });
});

it("asks for an account", async () => {
  expect(await refused(backstay.anonymous().history.listHistory({}))).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await refused(operator(backstay).history.listHistory({}))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});
