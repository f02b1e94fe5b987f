import { describe, expect, test } from "vitest";
import { rpc } from "./conformance.js";
import { type LibraryOptions, type RestReply, serveEveryDoor } from "./library-server.js";

const rpcs = {
  Get: rpc("get /v1/probes", "Probe"),
  Write: rpc("post /v1/probes", "Probe", { body: "*" }),
  GetShelf: rpc("get /v1/shelves", "Shelf"),
  WriteShelf: rpc("post /v1/shelves", "Shelf", { body: "*" }),
  Update: rpc("patch /v1/updates", "UpdateBook", { body: "book" }),
};

const serve = (options: LibraryOptions = {}) => serveEveryDoor(rpcs, { messageBytes: 100_000, ...options });

/** What is wrong, as any door says it. */
const refusalOf = ({ status, reason, field }: RestReply) => ({ status, reason, field });

const connectPath = (name: string) => `POST /library.v1.LibraryService/${name}`;

/** A fault as a query and as JSON, and what it is called. */
const BY_QUERY: Record<string, [query: string, json: string, reason: string, field: string]> = {
  "a value of another type": ["small=x", '{"small":"x"}', "WRONG_TYPE", "small"],
  "a value of another type inside of a message": [
    "book.pages=x",
    '{"book":{"title":"T","pages":"x"}}',
    "WRONG_TYPE",
    "book.pages",
  ],
  "a value of another type two messages down": [
    "book.author.born=x",
    '{"book":{"author":{"born":"x"}}}',
    "WRONG_TYPE",
    "book.author.born",
  ],
  "a time that is none": ["at=noon", '{"at":"noon"}', "WRONG_TYPE", "at"],
  "a wrapped value of another type": ["maybe_number=x", '{"maybe_number":"x"}', "WRONG_TYPE", "maybeNumber"],
  "an unknown name in an enum": ["state=LOST", '{"state":"LOST"}', "WRONG_TYPE", "state"],
  "an unknown name in a list of an enum": [
    "states=GONE&states=LOST",
    '{"states":["GONE","LOST"]}',
    "WRONG_TYPE",
    "states",
  ],
  "an unknown field": ["nope=1", '{"nope":1}', "UNKNOWN_FIELD", "nope"],
  "an unknown field inside of a message": ["book.nope=1", '{"book":{"nope":1}}', "UNKNOWN_FIELD", "book.nope"],
  "two members of a oneof": ["left=l&right=r", '{"left":"l","right":"r"}', "INVALID_FIELD", "right"],
};

describe("a query, a JSON body and Connect JSON name alike", () => {
  test.each(Object.entries(BY_QUERY))("%s", async (_, [query, body, reason, field]) => {
    const { call } = await serve();
    const expected = { status: 400, reason, field };
    expect(refusalOf(await call(`GET /v1/probes?${query}`))).toEqual(expected);
    expect(refusalOf(await call("POST /v1/probes", { body }))).toEqual(expected);
    expect(refusalOf(await call(connectPath("Write"), { body }))).toEqual(expected);
  });

  test("two members of a oneof of which one is a message", async () => {
    const { call } = await serve();
    const expected = { status: 400, reason: "INVALID_FIELD", field: "book.title" };
    expect(refusalOf(await call("GET /v1/shelves?label=l&book.title=T"))).toEqual(expected);
    const body = { label: "l", book: { title: "T" } };
    expect(refusalOf(await call(connectPath("WriteShelf"), { body }))).toEqual({ ...expected, field: "book" });
  });
});

/** What only JSON can say. */
const BY_JSON: Record<string, [json: string, reason: string, field: string | undefined]> = {
  "an item of a list of messages": ['{"books":[{},{"pages":"x"}]}', "WRONG_TYPE", "books[1].pages"],
  "an item that is no message": ['{"books":[{},7]}', "WRONG_TYPE", "books[1]"],
  "an item that is null": ['{"books":[null]}', "WRONG_TYPE", "books[0]"],
  "an item of a list of texts": ['{"tags":["a",7]}', "WRONG_TYPE", "tags"],
  "what is no list": ['{"books":{"pages":1}}', "WRONG_TYPE", "books"],
  "what is no message": ['{"book":[1]}', "WRONG_TYPE", "book"],
  "a value of a map": ['{"labels":{"a":1}}', "WRONG_TYPE", "labels"],
  "what is no map": ['{"labels":[]}', "WRONG_TYPE", "labels"],
  "half a character": ['{"book":{"title":"\\ud800"}}', "INVALID_UTF8", "book.title"],
  "half a character in an unknown name": ['{"book":{"\\ud800":1}}', "INVALID_UTF8", undefined],
  "a quote in an unknown name": ['{"a\\"b":1}', "UNKNOWN_FIELD", 'a"b'],
  "a field in both its spellings": ['{"book":{"shelfMark":"a","shelf_mark":"b"}}', "MALFORMED_BODY", "book.shelfMark"],
  "the first of two faults": ['{"small":"x","book":{"nope":1}}', "WRONG_TYPE", "small"],
  "a name that every object has": ['{"book":{"__proto__":1}}', "UNKNOWN_FIELD", "book.__proto__"],
};

test.each(Object.entries(BY_JSON))("JSON is refused for %s, in the same words by REST and Connect", async (_, one) => {
  const [body, reason, field] = one;
  const { call } = await serve();
  const expected = { status: 400, reason, field };
  expect(refusalOf(await call("POST /v1/probes", { body }))).toEqual(expected);
  expect(refusalOf(await call(connectPath("Write"), { body }))).toEqual(expected);
});

test("null sets no field, and what says so is not to blame for a fault that follows", async () => {
  const { call } = await serve();
  const body = { book: null, books: null, left: null, right: "r", at: null, small: "x" };
  expect(refusalOf(await call(connectPath("Write"), { body }))).toMatchObject({ reason: "WRONG_TYPE", field: "small" });
});

test("a body that is one field is refused by the names that stand in it", async () => {
  const { call } = await serve();
  expect(refusalOf(await call("PATCH /v1/updates", { body: { author: { born: "x" } } }))).toEqual({
    status: 400,
    reason: "WRONG_TYPE",
    field: "author.born",
  });
});

test("a refusal repeats no value, which may be a secret", async () => {
  const { call } = await serve();
  const faults = [
    { small: "hush" },
    { state: "hush" },
    { at: "hush" },
    { maybeNumber: "hush" },
    { rawData: "hush!" },
    { labels: { hush: 1 } },
    { books: ["hush"] },
    { left: "hush", right: "hush" },
  ];
  for (const body of faults) {
    for (const line of ["POST /v1/probes", connectPath("Write")]) {
      const { status, text } = await call(line, { body });
      expect([status, text.includes("hush")], text).toEqual([400, false]);
    }
  }
});

describe("JSON that is nested deeply", () => {
  const lists = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;

  test.each([
    ["Struct", "fields", objects],
    ["Value", "value", lists],
    ["Value of objects", "value", objects],
  ])("is MALFORMED_BODY in a %s that is deeper than is read", async (_, field, nested) => {
    const { call } = await serve();
    for (const depth of [110, 1_000, 10_000]) {
      const body = `{"${field}":${nested(depth)}}`;
      const expected = { status: 400, reason: "MALFORMED_BODY", field: undefined };
      expect(refusalOf(await call("POST /v1/shelves", { body }))).toEqual(expected);
      expect(refusalOf(await call(connectPath("WriteShelf"), { body }))).toEqual(expected);
    }
    const body = `{"${field}":${nested(40)}}`;
    expect((await call("POST /v1/shelves", { body })).status).toBe(200);
  });

  test("is passed over where unknown fields are, however deep, and looked through for halves of characters", async () => {
    const { call } = await serve({ ignoreUnknownFields: true });
    for (const line of ["POST /v1/probes", connectPath("Write")]) {
      const whole = `{"id":"\\ud83d\\ude00","nope":${lists(20_000)}}`;
      expect(await call(line, { body: whole })).toMatchObject({ status: 200, json: { id: "😀" } });
      const half = `{"nope":${"[".repeat(20_000)}"\\ud800"${"]".repeat(20_000)}}`;
      expect(await call(line, { body: half })).toMatchObject({ status: 400 });
    }
  });
});
