import { timestampDate, timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodePageToken } from "../../../server/kernel/page-token.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, keyOf, operator, refused, testClock, upTo } from "../support.js";

type Request = NonNullable<Parameters<Person["client"]["messages"]["listMessages"]>[0]>;

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let cleo: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

const send = (sender: Person, text: string) => sender.client.messages.sendMessage({ recipientId: ben.id, text });
const list = (request: Request = {}) => ben.client.messages.listMessages(request);
const textsOf = async (request: Request = {}) => (await list(request)).messages.map(({ text }) => text);

/** Every page of a list, one after the other; `between` runs after each. */
async function pages(request: Request, between: (page: number) => Promise<void> = async () => {}): Promise<string[]> {
  const texts: string[] = [];
  let pageToken = "";
  for (let page = 0; ; page++) {
    const answer = await list({ ...request, pageToken });
    texts.push(...answer.messages.map(({ text }) => text));
    pageToken = answer.nextPageToken;
    if (pageToken === "") return texts;
    await between(page);
  }
}

describe("the order", () => {
  it("is that of arrival, and its reverse when descending", async () => {
    for (const text of ["one", "two", "three"]) await send(ada, text);
    expect(await textsOf()).toEqual(["one", "two", "three"]);
    expect(await textsOf({ descending: true })).toEqual(["three", "two", "one"]);
  });

  it("shows what one received and not what one sent", async () => {
    await send(ada, "to Ben");
    await ben.client.messages.sendMessage({ recipientId: ada.id, text: "to Ada" });
    expect(await textsOf()).toEqual(["to Ben"]);
  });

  it("is empty for who received nothing", async () => {
    expect(await list()).toMatchObject({ messages: [], nextPageToken: "" });
  });
});

describe("pages", () => {
  it("of seven show 300 messages each once, in both directions, while others arrive", async () => {
    const sent = upTo(300).map((n) => `message ${n}`);
    for (let n = 0; n < 300; n += 50) await Promise.all(sent.slice(n, n + 50).map((text) => send(ada, text)));
    const whole = await textsOf({ pageSize: 500 });
    expect([...whole].sort()).toEqual([...sent].sort());

    const late: string[] = [];
    const meanwhile = async (page: number) => {
      if (page % 4 !== 0) return;
      late.push(`late ${page}`);
      await send(cleo, `late ${page}`);
    };
    const down = await pages({ pageSize: 7, descending: true }, meanwhile);
    // What arrives after the first page is newer than it, so it is on none.
    expect(down).toEqual([...whole].reverse());
    const later = [...late];
    late.length = 0;
    const up = await pages({ pageSize: 7 }, meanwhile);
    expect(up).toEqual([...whole, ...later, ...late]);
  });

  it("have 50 messages when nobody says how many, and as many as asked for otherwise", async () => {
    await Promise.all(upTo(51).map((n) => send(ada, `${n}`)));
    const first = await list();
    expect(first.messages).toHaveLength(50);
    expect((await list({ pageToken: first.nextPageToken })).messages).toHaveLength(1);
    expect((await list({ pageSize: 1 })).messages).toHaveLength(1);
    const exact = await list({ pageSize: 51 });
    expect([exact.messages.length, exact.nextPageToken]).toEqual([51, ""]);
  });

  it("may have another size each", async () => {
    for (const text of ["one", "two", "three", "four"]) await send(ada, text);
    const { nextPageToken } = await list({ pageSize: 1 });
    expect(await textsOf({ pageSize: 3, pageToken: nextPageToken })).toEqual(["two", "three", "four"]);
  });

  it.each([-1, 501, 2 ** 31 - 1, -(2 ** 31)])("cannot have %d messages", async (pageSize) => {
    expect(await refused(list({ pageSize }))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["pageSize"],
    });
  });
});

describe("a page token", () => {
  const invalid = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };
  let token: string;
  beforeEach(async () => {
    for (const text of ["one", "two", "three"]) await send(ada, text);
    token = (await list({ pageSize: 1 })).nextPageToken;
  });

  it.each([
    ["the other direction", { descending: true }],
    ["a sender", () => ({ senderId: ada.id })],
    ["a time", { since: timestampFromMs(1) }],
  ])("of this query is refused by that with %s", async (_, more) => {
    const request = typeof more === "function" ? more() : more;
    expect(await refused(list({ ...request, pageToken: token }))).toEqual(invalid);
  });

  it("of one account is refused for another", async () => {
    expect(await refused(ada.client.messages.listMessages({ pageToken: token }))).toEqual(invalid);
  });

  it("is refused when any of its bytes was changed", async () => {
    const bytes = Buffer.from(token, "base64url");
    for (const at of bytes.keys()) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(await refused(list({ pageToken: changed.toString("base64url") })), `byte ${at}`).toEqual(invalid);
    }
  });

  it.each(["x", "AAAA", "null", "' or true --", "…"])("is refused when it is %s", async (pageToken) => {
    expect(await refused(list({ pageToken }))).toEqual(invalid);
  });

  it("is refused when it was made with another key", async () => {
    const otherKey = { ...keyOf(backstay), mac: () => Buffer.alloc(32) };
    const query = { list: "messages", recipientId: ben.id, sender: "", since: null, descending: false };
    expect(await textsOf({ pageToken: encodePageToken(keyOf(backstay), query, [1]) })).toEqual(["one", "two", "three"]);
    expect(await refused(list({ pageToken: encodePageToken(otherKey, query, [1]) }))).toEqual(invalid);
  });

  it("of more than 512 characters is refused by its length", async () => {
    expect(await refused(list({ pageToken: "A".repeat(513) }))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["pageToken"],
    });
  });
});

describe("since", () => {
  it("is exclusive: only what is newer, to the millisecond", async () => {
    const { message } = await send(ada, "one");
    clock.advance(1);
    await send(ada, "two");
    const at = timestampDate(message!.createTime!).getTime();
    const since = (ms: number) => textsOf({ since: timestampFromDate(new Date(ms)) });
    expect(await since(at - 1)).toEqual(["one", "two"]);
    expect(await since(at)).toEqual(["two"]);
    expect(await since(at + 1)).toEqual([]);
    expect(await textsOf({ since: timestampFromMs(at), descending: true })).toEqual(["two"]);
    // Finer parts of a millisecond make no difference.
    const { seconds, nanos } = timestampFromMs(at);
    expect(await textsOf({ since: { ...timestampFromMs(at), seconds, nanos: nanos + 999_999 } })).toEqual(["two"]);
  });

  it("may lie before all time and after", async () => {
    await send(ada, "one");
    expect(await textsOf({ since: timestampFromDate(new Date("0001-01-01T00:00:00Z")) })).toEqual(["one"]);
    expect(await textsOf({ since: timestampFromDate(new Date("9999-12-31T23:59:59Z")) })).toEqual([]);
  });

  it("is refused beyond the years that a time may have", async () => {
    for (const seconds of [253_402_300_800n, -62_135_596_801n, 2n ** 62n, -(2n ** 62n)]) {
      const since = { ...timestampFromMs(0), seconds };
      expect(await refused(list({ since })), `${seconds}`).toEqual({
        code: "invalid_argument",
        reason: "WRONG_TYPE",
        fields: ["since"],
      });
    }
  });

  it("holds over all pages", async () => {
    await send(ada, "old");
    const since = timestampFromDate(clock.now());
    clock.advance(10);
    for (const text of ["one", "two", "three"]) await send(ada, text);
    expect(await pages({ since, pageSize: 2 })).toEqual(["one", "two", "three"]);
    expect(await pages({ since, pageSize: 2, descending: true })).toEqual(["three", "two", "one"]);
  });
});

describe("by sender", () => {
  it("shows only what that account sent, on all pages and in both directions", async () => {
    for (const n of upTo(4)) {
      await send(ada, `Ada ${n}`);
      await send(cleo, `Cleo ${n}`);
    }
    expect(await pages({ senderId: cleo.id, pageSize: 3 })).toEqual(["Cleo 1", "Cleo 2", "Cleo 3", "Cleo 4"]);
    expect(await pages({ senderId: ada.id, pageSize: 1, descending: true })).toEqual([
      "Ada 4",
      "Ada 3",
      "Ada 2",
      "Ada 1",
    ]);
  });

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody"])("shows nothing of nobody: %s", async (senderId) => {
    await send(ada, "one");
    expect(await list({ senderId })).toMatchObject({ messages: [], nextPageToken: "" });
  });
});

describe("filters", () => {
  const text = (op: string, ...values: string[]) => ({
    column: "text",
    op,
    values: values.map((value) => ({ kind: { case: "stringValue", value } as const })),
  });
  const about = (column: string, op: string, value?: string) => ({ ...text(op, ...(value ? [value] : [])), column });

  it("choose by text", async () => {
    for (const each of ["100% sure", "1000 sure", "Not sure"]) await send(ada, each);
    expect(await textsOf({ filters: [text("begins_with", "100%")] })).toEqual(["100% sure"]);
    expect(await textsOf({ filters: [text("like", "100_%")] })).toEqual(["100% sure", "1000 sure"]);
    expect(await textsOf({ filters: [text("imatches", "^NOT|0{3}")] })).toEqual(["1000 sure", "Not sure"]);
    expect(await textsOf({ filters: [text("imatches", "^NOT|0{3}")], descending: true })).toEqual([
      "Not sure",
      "1000 sure",
    ]);
  });

  it("choose by sender, by time and by whether it was read, all of them together with the other fields", async () => {
    const { message } = await send(ada, "one");
    clock.advance(5);
    await send(cleo, "two");
    await send(ada, "three");
    await ben.client.messages.markRead({ id: message!.id });
    const at = timestampDate(message!.createTime!).toISOString();
    expect(await textsOf({ filters: [about("senderId", "ne", ada.id)] })).toEqual(["two"]);
    expect(await textsOf({ filters: [about("create_time", "gt", at)] })).toEqual(["two", "three"]);
    expect(await textsOf({ filters: [about("read_time", "is_null")] })).toEqual(["two", "three"]);
    // What was not read was read at no time.
    expect(await textsOf({ filters: [about("read_time", "ne", at)] })).toEqual(["one", "two", "three"]);
    expect(await textsOf({ filters: [about("read_time", "lt", "2099-01-01T00:00:00Z")] })).toEqual(["one"]);
    expect(await textsOf({ senderId: ada.id, filters: [about("read_time", "is_null")] })).toEqual(["three"]);
    expect(await textsOf({ filters: [about("id", "eq", message!.id), about("id", "ne", "nobody")] })).toEqual(["one"]);
  });

  it("hold over all pages, and only for the pages of the same filters", async () => {
    for (const n of upTo(9)) await send(ada, n % 3 === 0 ? `third ${n}` : `other ${n}`);
    for (const filters of [[text("matches", "^third")], [text("like", "third%")]]) {
      expect(await pages({ filters, pageSize: 2 })).toEqual(["third 3", "third 6", "third 9"]);
      expect(await pages({ filters, pageSize: 1, descending: true })).toEqual(["third 9", "third 6", "third 3"]);
      const { nextPageToken: pageToken } = await list({ filters, pageSize: 1 });
      for (const others of [[], [text("like", "other%")]]) {
        expect(await refused(list({ filters: others, pageToken }))).toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
      }
    }
  });

  it("show nothing that someone else received", async () => {
    await ben.client.messages.sendMessage({ recipientId: ada.id, text: "to Ada" });
    expect(await textsOf({ filters: [about("sender_id", "eq", ben.id)] })).toEqual([]);
    expect(await textsOf({ filters: [text("matches", "Ada' or true --|.*")] })).toEqual([]);
  });

  it("know the columns of a message that is received, and no other", async () => {
    for (const column of ["recipient_id", "mtime", "created_at", "nothing"]) {
      expect(await refused(list({ filters: [about(column, "not_null")] })), column).toEqual({
        code: "invalid_argument",
        reason: "UNKNOWN_COLUMN",
        fields: ["filters[0].column"],
      });
    }
  });

  it("are taken by REST's search, where a number may stand for text", async () => {
    for (const each of ["1", "2"]) await send(ada, each);
    const response = await fetch(`${backstay.url}/v1/messages:search`, {
      method: "POST",
      headers: { ...bearer(ben.token), "content-type": "application/json" },
      body: JSON.stringify({ filters: [{ column: "text", values: [2] }] }),
    });
    expect(await response.json()).toMatchObject({ messages: [{ text: "2" }] });
  });
});

it("asks for an account", async () => {
  expect(await refused(backstay.anonymous().messages.listMessages({}))).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await refused(operator(backstay).messages.listMessages({}))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});

describe("since", () => {
  it("the time of the last message repeats none of many that arrived at once", async () => {
    await Promise.all(Array.from({ length: 40 }, (_, n) => send(ada, `at once ${n}`)));
    const { messages } = await list({ pageSize: 500 });
    const times = messages.map(({ createTime }) => timestampDate(createTime!).getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBe(40);
    expect(await textsOf({ since: messages.at(-1)!.createTime! })).toEqual([]);
  });
});
