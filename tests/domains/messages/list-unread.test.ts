import { timestampDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, operator, refused, testClock, upTo } from "../support.js";
import { countersAndRows } from "./inbox.js";

type Request = NonNullable<Parameters<Person["client"]["messages"]["listUnread"]>[0]>;

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

const send = async (text: string) => (await ada.client.messages.sendMessage({ recipientId: ben.id, text })).message!;
const unread = (request: Request = {}) => ben.client.messages.listUnread(request);
const textsOf = async (request: Request = {}) => (await unread(request)).messages.map(({ text }) => text);

/** Every page of the unread messages, one after the other. */
async function pages(request: Request): Promise<string[][]> {
  const all: string[][] = [];
  for (let pageToken = ""; ; ) {
    const answer = await unread({ ...request, pageToken });
    all.push(answer.messages.map(({ text }) => text));
    pageToken = answer.nextPageToken;
    if (pageToken === "") return all;
  }
}

it("shows what was never read, in the order it arrived, and changes nothing", async () => {
  const [, two] = [await send("one"), await send("two"), await send("three")];
  await ben.client.messages.markRead({ id: two.id });
  for (const _ of upTo(2)) expect(await textsOf()).toEqual(["one", "three"]);
  expect((await countersAndRows(backstay, ben)).counters).toEqual({ msg_count: 3, msg_read: 1 });
});

it("is the same by REST", async () => {
  await send("one");
  const response = await fetch(`${backstay.url}/v1/messages:unread?markRead=true`, { headers: bearer(ben.token) });
  expect(await response.json()).toMatchObject({ messages: [{ text: "one", readTime: expect.any(String) }] });
  expect(await textsOf()).toEqual([]);
});

it("shows nothing that one sent, and nothing at all to who received nothing", async () => {
  await send("to Ben");
  expect(await ada.client.messages.listUnread({ markRead: true })).toMatchObject({ messages: [], nextPageToken: "" });
});

describe("marking", () => {
  it("marks what it shows, and shows it with the time at which it was read", async () => {
    for (const text of ["one", "two"]) await send(text);
    clock.advance(1_234);
    const { messages } = await unread({ markRead: true });
    expect(messages.map(({ text }) => text)).toEqual(["one", "two"]);
    for (const { readTime } of messages) expect(timestampDate(readTime!)).toEqual(clock.now());
    expect((await ben.client.messages.listMessages({})).messages).toEqual(messages);
    expect(await textsOf({ markRead: true })).toEqual([]);
    expect((await countersAndRows(backstay, ben)).counters).toEqual({ msg_count: 2, msg_read: 2 });
  });

  it("marks the messages of the page and no other: the oldest", async () => {
    for (const n of upTo(5)) await send(`${n}`);
    expect(await textsOf({ markRead: true, pageSize: 2 })).toEqual(["1", "2"]);
    expect(await textsOf()).toEqual(["3", "4", "5"]);
    expect((await countersAndRows(backstay, ben)).counters).toEqual({ msg_count: 5, msg_read: 2 });
  });

  it("hands each message to one of many that ask at once, and counts it once", async () => {
    await Promise.all(upTo(120).map((n) => send(`${n}`)));
    const answers = await Promise.all(upTo(10).map(() => textsOf({ markRead: true, pageSize: 10 })));
    const shown = answers.flat();
    expect(new Set(shown).size).toBe(shown.length);
    expect(shown).toHaveLength(100);
    const { counters, rows } = await countersAndRows(backstay, ben);
    expect(counters).toEqual({ msg_count: 120, msg_read: 100 });
    expect(rows).toEqual(counters);
  });
});

describe("pages", () => {
  it.each([false, true])("show each message once, marked read: %s", async (markRead) => {
    for (const n of upTo(7)) await send(`${n}`);
    expect(await pages({ pageSize: 3, markRead })).toEqual([["1", "2", "3"], ["4", "5", "6"], ["7"]]);
  });

  it.each([false, true])("end with the last message, marked read: %s", async (markRead) => {
    for (const n of upTo(4)) await send(`${n}`);
    expect(await pages({ pageSize: 2, markRead })).toEqual([
      ["1", "2"],
      ["3", "4"],
    ]);
  });

  it("have 50 messages when nobody says how many, and 500 at most", async () => {
    await Promise.all(upTo(51).map((n) => send(`${n}`)));
    expect(await textsOf()).toHaveLength(50);
    expect(await textsOf({ markRead: true })).toHaveLength(50);
    for (const pageSize of [-1, 501]) {
      expect(await refused(unread({ pageSize }))).toMatchObject({ reason: "INVALID_FIELD", fields: ["pageSize"] });
    }
  });

  it("are those of one query and of one account", async () => {
    for (const n of upTo(3)) await send(`${n}`);
    const { nextPageToken: pageToken } = await unread({ pageSize: 1 });
    const invalid = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };
    expect(await refused(unread({ pageToken, markRead: true }))).toEqual(invalid);
    expect(await refused(ada.client.messages.listUnread({ pageToken }))).toEqual(invalid);
    expect(await refused(ben.client.messages.listMessages({ pageToken }))).toEqual(invalid);
  });
});

it("asks for an account", async () => {
  expect(await refused(backstay.anonymous().messages.listUnread({}))).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await refused(operator(backstay).messages.listUnread({}))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});
