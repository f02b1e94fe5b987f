import { expect, test } from "vitest";
import { serveLibrary } from "./library-server.js";

const rpcs = {
  Probe: { rule: { pattern: { case: "get" as const, value: "/v1/probes/{id}" } }, input: "Probe" },
  Write: { rule: { pattern: { case: "post" as const, value: "/v1/probes" }, body: "*" }, input: "Probe" },
  Put: { rule: { pattern: { case: "put" as const, value: "/v1/probes/{book.name}" }, body: "book" }, input: "Probe" },
};

const bound: Record<string, [query: string, fields: object]> = {
  "names of JSON and of the proto": ["maybeNumber=1&maybe_text=a", { maybeNumber: 1, maybeText: "a" }],
  "fields of messages": [
    "book.shelf_mark=x&book.author.name=ada",
    { book: { shelfMark: "x", author: { name: "ada" } } },
  ],
  "repeated text, in order": ["tags=B&tags=A&tags=", { tags: ["B", "A", ""] }],
  integers: ["small=-7&large=9007199254740993", { small: -7, large: "9007199254740993" }],
  "floating point": ["ratio=1.5e3&narrow=-0.25", { ratio: 1500, narrow: -0.25 }],
  "not a number and the infinities": ["ratio=-Infinity&narrow=NaN", { ratio: "-Infinity", narrow: "NaN" }],
  booleans: ["flag=true", { flag: true }],
  "enums by name": ["state=ACTIVE", { state: "ACTIVE" }],
  "enums by number": ["state=1", { state: "ACTIVE" }],
  "repeated enums": ["states=GONE&states=1&states=0", { states: ["GONE", "ACTIVE", "STATE_UNSPECIFIED"] }],
  "standard base64": ["raw_data=%2B%2F8%3D", { rawData: "+/8=" }],
  "base64 whose plus was not escaped": ["raw_data=+/8=", { rawData: "+/8=" }],
  "base64 for URLs, unpadded": ["raw_data=-_8", { rawData: "+/8=" }],
  timestamps: ["at=2021-01-01T01:00:00%2B01:00", { at: "2021-01-01T00:00:00Z" }],
  durations: ["wait=3.000000001s", { wait: "3.000000001s" }],
  masks: ["mask=foo,barBaz.qux_quux", { mask: "foo,barBaz.quxQuux" }],
  wrappers: ["maybeNumber=0&maybeText=hello&maybeFlag=false", { maybeNumber: 0, maybeText: "hello", maybeFlag: false }],
  "one member of a oneof": ["left=l", { left: "l" }],
  "a plus as a space and %2B as a plus": ["left=a+b%2Bc", { left: "a b+c" }],
  "a parameter without a value": ["left", { left: "" }],
  "a value with an equals sign": ["left=a=b", { left: "a=b" }],
  "nothing between ampersands": ["&small=1&", { small: 1 }],
};

test.each(Object.entries(bound))("a query sets %s", async (_, [query, fields]) => {
  const { call } = await serveLibrary(rpcs);
  const reply = await call(`GET /v1/probes/p?${query}`);
  expect(reply.json).toEqual({ id: "p", ...fields });
  expect(reply.status).toBe(200);
});

const refused: Record<string, [query: string, reason: string, field: string]> = {
  "an unknown name": ["nope=1", "UNKNOWN_FIELD", "nope"],
  "an unknown name inside of a message": ["book.nope=1", "UNKNOWN_FIELD", "book.nope"],
  "a name inside of what is no message": ["small.x=1", "UNKNOWN_FIELD", "small.x"],
  "what the path sets": ["id=other", "UNKNOWN_FIELD", "id"],
  "text for a number": ["small=x", "WRONG_TYPE", "small"],
  "an empty number": ["small=", "WRONG_TYPE", "small"],
  "a number beyond its type": ["small=2147483648", "WRONG_TYPE", "small"],
  "a float beyond its type": ["narrow=1e39", "WRONG_TYPE", "narrow"],
  "a fraction for an integer": ["large=1.5", "WRONG_TYPE", "large"],
  "another word for a boolean": ["flag=yes", "WRONG_TYPE", "flag"],
  "an unknown enum": ["state=unknown", "WRONG_TYPE", "state"],
  "a timestamp that is none": ["at=null", "WRONG_TYPE", "at"],
  "a timestamp before the first year": ["at=0000-01-01T00:00:00Z", "WRONG_TYPE", "at"],
  "a wrong value inside of a message": ["book.pages=x", "WRONG_TYPE", "book.pages"],
  "a single field twice": ["small=1&small=2", "INVALID_FIELD", "small"],
  "a single field by both of its names": ["rawData=&raw_data=", "INVALID_FIELD", "rawData"],
  "two members of a oneof": ["left=a&right=b", "INVALID_FIELD", "right"],
  "a message as text": ["book=x", "INVALID_FIELD", "book"],
  "a list of messages": ["books=x", "INVALID_FIELD", "books"],
  "a map": ["labels=x", "INVALID_FIELD", "labels"],
  "a broken percent sign": ["left=%zz", "INVALID_FIELD", "left"],
  "broken UTF-8": ["left=%ff", "INVALID_UTF8", "left"],
};

test.each(Object.entries(refused))(
  "a query is refused for %s, and the verb not called",
  async (_, [query, reason, field]) => {
    let called = false;
    const handler = () => {
      called = true;
      return {};
    };
    const { call } = await serveLibrary({ Probe: { ...rpcs.Probe, handler } });
    const reply = await call(`GET /v1/probes/p?${query}`);
    expect(reply).toMatchObject({ status: 400, reason, field });
    expect(reply.json.code).toBe(3);
    expect(called).toBe(false);
  },
);

test("unknown parameters are ignored when unknown fields are", async () => {
  const { call } = await serveLibrary(rpcs, { ignoreUnknownFields: true });
  expect((await call("GET /v1/probes/p?nope=1&small=2&id=q")).json).toEqual({ id: "p", small: 2 });
  expect((await call("POST /v1/probes?small=2", { body: { id: "p" } })).json).toEqual({ id: "p" });
});

test("a body that is the whole message leaves nothing to the query", async () => {
  const { call } = await serveLibrary(rpcs);
  const reply = await call("POST /v1/probes?small=1", { body: {} });
  expect(reply).toMatchObject({ status: 400, reason: "UNKNOWN_FIELD", field: "small" });
});

test("a body that is one field leaves the others to the query", async () => {
  const { call } = await serveLibrary(rpcs);
  const reply = await call("PUT /v1/probes/b1?small=1&tags=a", { body: { title: "T" } });
  expect(reply.json).toEqual({ small: 1, tags: ["a"], book: { name: "b1", title: "T" } });
  expect(await call("PUT /v1/probes/b1?book.title=x")).toMatchObject({ reason: "UNKNOWN_FIELD", field: "book.title" });
});
