import { createClient as createConnectClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, openDatabase, operatorToken, refusedJson, testClock, upTo } from "../support.js";

const APPEND = "history.v1.HistoryService/AppendHistory";

interface EntryJson {
  id: string;
  type?: string;
  data?: unknown;
  createTime: string;
}

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

const append = async (request: object) =>
  (await curl<{ entry: EntryJson }>(backstay, APPEND, request, ada.token)).entry;
const appendRefused = (request: object, token: string | undefined = ada.token) =>
  curlRefused(backstay, APPEND, request, token);
const list = async () =>
  (await curl<{ entries?: EntryJson[] }>(backstay, "history.v1.HistoryService/ListHistory", {}, ada.token)).entries ??
  [];
/** The same call by a program that speaks binary, with what stands beside it. */
const binary = (protocol: string) =>
  protocol === "gRPC"
    ? createGrpcTransport({ baseUrl: backstay.url })
    : createConnectTransport({ baseUrl: backstay.url, httpVersion: "1.1", useBinaryFormat: true });

it("remembers something, with the time to the millisecond", async () => {
  const entry = await append({ type: "visit", data: { page: "/shop", seconds: 12.5 } });
  expect(entry).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{12}7[0-9a-f]{19}$/),
    type: "visit",
    data: { page: "/shop", seconds: 12.5 },
    createTime: clock.now().toISOString(),
  });
  expect(await list()).toEqual([entry]);
});

describe("the data", () => {
  it.each<[string, unknown]>([
    ["text", " “Grüße” 👩‍👩‍👧 ' ; drop table history; -- \\u0000 \r\n"],
    ["empty text", ""],
    ["an object", { list: [1, { deep: [] }], null: null, __proto__: "x", "": false }],
    ["an object with a name that JavaScript has", JSON.parse('{"__proto__":{"a":1},"constructor":2}')],
    ["an empty object", {}],
    ["an array", [1, "two", null, [true]]],
    ["an empty array", []],
    ["a number", -1.5e-7],
    ["a large number", 1.7976931348623157e308],
    ["zero", 0],
    ["true", true],
    ["false", false],
    ["null", null],
  ])("may be %s", async (_, data) => {
    const entry = await append({ data });
    expect(entry).toHaveProperty("data", data);
    expect(await list()).toEqual([entry]);
  });

  it("and the type may be left out, which is not the same as null", async () => {
    const entries = [await append({})];
    clock.advance(1);
    entries.push(await append({ data: null }));
    expect(entries.map((entry) => Object.keys(entry).sort())).toEqual([
      ["createTime", "id"],
      ["createTime", "data", "id"],
    ]);
    expect(await list()).toEqual(entries);
    const sql = openDatabase(backstay);
    const rows =
      await sql`select data is null as absent from backstay.history where account_id = ${ada.id} order by created_at`;
    expect(rows.map(({ absent }) => absent)).toEqual([true, false]);
  });

  const refused = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["data"] };

  it("has at most 64 KiB of JSON, as it is written out", async () => {
    const text = "x".repeat(65_534);
    expect((await append({ data: text })).data).toBe(text);
    expect(await appendRefused({ data: `${text}x` })).toEqual(refused);
    expect(await appendRefused({ data: "ü".repeat(32_768) })).toEqual(refused);
    // The database writes a number of five characters with 301 digits.
    expect(await appendRefused({ data: upTo(300).map(() => 1e300) })).toEqual(refused);
    expect(await list()).toHaveLength(1);
  });

  /** A value of so many levels. */
  const nested = (kind: string, levels: number) =>
    kind === "objects"
      ? JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`)
      : JSON.parse(`${"[".repeat(levels)}1${"]".repeat(levels)}`);

  it.each(["objects", "arrays"])("has at most 32 levels of %s", async (kind) => {
    expect((await append({ data: nested(kind, 32) })).data).toEqual(nested(kind, 32));
    expect(await appendRefused({ data: nested(kind, 33) })).toEqual(refused);
    const [open, close] = kind === "objects" ? ['{"a":', "}"] : ["[", "]"];
    const deep = `{"data":${open.repeat(20_000)}1${close.repeat(20_000)}}`;
    const { json } = await call(backstay.url, APPEND, deep, bearer(ada.token));
    expect(refusedJson(json)).toMatchObject({ code: "invalid_argument" });
  });

  it.each([
    ["objects", "Connect"],
    ["objects", "gRPC"],
    ["arrays", "Connect"],
    ["arrays", "gRPC"],
  ])("of the deepest %s can be read in binary by %s, in the list and in the event", async (kind, protocol) => {
    const headers = bearer(ada.token);
    const events = createConnectClient(EventService, binary(protocol));
    const client = createConnectClient(HistoryService, binary(protocol));
    const stream = new AbortController();
    const items = events.subscribe({}, { headers, signal: stream.signal })[Symbol.asyncIterator]();
    expect((await items.next()).value?.item.case).toBe("ready");
    const entry = await append({ data: nested(kind, 32) });
    const { entries } = await client.listHistory({}, { headers });
    expect(entries.map(({ id }) => id)).toEqual([entry.id]);
    expect((await items.next()).value?.item).toMatchObject({ case: "event", value: { data: entry } });
    stream.abort();
  });

  it("is text: no NUL, and no half characters", async () => {
    const sent = (data: string) =>
      call(backstay.url, APPEND, `{"data":${data}}`, bearer(ada.token)).then(({ json }) => json);
    for (const data of ['"a\\u0000b"', '["a\\u0000b"]', '{"a\\u0000b":1}']) {
      expect(refusedJson(await sent(data)), data).toMatchObject({ reason: "NUL_IN_TEXT", fields: ["data"] });
    }
    expect(refusedJson(await sent('["a\\ud800b"]'))).toMatchObject({ reason: "INVALID_UTF8" });
    expect(await list()).toEqual([]);
  });

  it("is a value of JSON, also in binary, which can say others", async () => {
    const client = createConnectClient(HistoryService, binary("Connect"));
    const value = (kind: object) => ({ kind }) as { kind: { case: "numberValue"; value: number } };
    for (const kind of [{ case: "numberValue", value: Number.NaN }, { case: undefined }]) {
      const answer = client.appendHistory({ data: value(kind) }, { headers: bearer(ada.token) });
      await expect(answer).rejects.toMatchObject({ rawMessage: expect.stringContaining("JSON") });
    }
    expect(await list()).toEqual([]);
  });
});

describe("the type", () => {
  it("is any text of up to 128 characters", async () => {
    for (const type of ["👩".repeat(128), "a b/c", "'; --"]) expect((await append({ type })).type).toBe(type);
    expect(await appendRefused({ type: "x".repeat(129) })).toMatchObject({ reason: "INVALID_FIELD", fields: ["type"] });
    expect(await appendRefused({ type: "a\0b" })).toMatchObject({ reason: "NUL_IN_TEXT", fields: ["type"] });
  });
});

describe("the event history.add", () => {
  it("brings one's own streams the entry as it was answered, and nobody else's", async () => {
    const ben = await backstay.signUp();
    const stream = await standingStream(backstay, ada.token);
    const other = await standingStream(backstay, ben.token);
    for (const request of [{ type: "visit", data: { n: [1.5, null] } }, { data: null }, {}]) {
      const entry = await append(request);
      const event = await stream.event();
      expect(event).toMatchObject({
        type: "history.add",
        path: "/history/add",
        topic: `account/${ada.id}`,
        actorId: ada.id,
        time: entry.createTime,
      });
      expect(event.data).toEqual(entry);
    }
    await curl(backstay, APPEND, { type: "his own" }, ben.token);
    expect((await other.event()).data).toMatchObject({ type: "his own" });
  });

  it("has a time without a fraction where there is none", async () => {
    clock.set("2031-02-03T04:05:06Z");
    const stream = await standingStream(backstay, ada.token);
    const { createTime } = await append({});
    expect([createTime, (await stream.event()).data.createTime]).toEqual(Array(2).fill("2031-02-03T04:05:06Z"));
  });
});

describe("an idempotency key", () => {
  const keyed = async (request: object, token = ada.token) => {
    const headers = { ...bearer(token), "idempotency-key": "key" };
    return (await call(backstay.url, APPEND, request, headers)).json;
  };

  it("makes a repeat answer the same entry, which is added and told of once", async () => {
    const stream = await standingStream(backstay, ada.token);
    const answers = [];
    for (const _ of upTo(3)) {
      answers.push(await keyed({ type: "once", data: [null] }));
      clock.advance(1_234);
    }
    answers.push(...(await Promise.all(upTo(5).map(() => keyed({ type: "once", data: [null] })))));
    expect(answers).toEqual(Array(8).fill({ entry: (await list())[0] }));
    expect(await list()).toHaveLength(1);
    expect((await stream.event()).data).toMatchObject({ type: "once" });
    await append({ type: "next" });
    expect((await stream.event()).data).toMatchObject({ type: "next" });
  });

  it("still answers the entry when that is forgotten", async () => {
    const first = await keyed({ type: "once" });
    await openDatabase(backstay)`delete from backstay.history where account_id = ${ada.id}`;
    clock.advance(60_000);
    expect(await keyed({ type: "once" })).toEqual(first);
    expect(await list()).toEqual([]);
  });

  it("is of one request, and of one account", async () => {
    await keyed({ data: null });
    expect(refusedJson(await keyed({}))).toMatchObject({ reason: "IDEMPOTENCY_MISMATCH" });
    const ben = await backstay.signUp();
    expect(await keyed({ data: 1 }, ben.token)).toMatchObject({ entry: { data: 1 } });
    expect(await list()).toHaveLength(1);
  });
});

describe("the caller", () => {
  it("is an account that is signed in", async () => {
    const none = await call(backstay.url, APPEND, {});
    expect(refusedJson(none.json)).toMatchObject({ reason: "TOKEN_MISSING" });
    expect(await appendRefused({}, operatorToken(backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
  });

  it("takes his history along when his account is deleted", async () => {
    await append({ type: "gone" });
    await ada.client.accounts.deleteAccount({ id: "me" });
    const sql = openDatabase(backstay);
    expect(await sql`select 1 from backstay.history where account_id = ${ada.id}`).toEqual([]);
  });
});

it("is POST /v1/history by REST", async () => {
  const response = await fetch(`${backstay.url}/v1/history`, {
    method: "POST",
    headers: { ...bearer(ada.token), "content-type": "application/json" },
    body: JSON.stringify({ type: "visit", data: "text" }),
  });
  expect(await response.json()).toMatchObject({ entry: { type: "visit", data: "text" } });
});
