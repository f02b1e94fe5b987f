import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { operator, refused, testClock, upTo } from "../support.js";
import { countersAndRows } from "./inbox.js";

const notFound = { code: "not_found", reason: "MESSAGE_NOT_FOUND", fields: ["id"] };

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const send = async (text = "Hello") => (await ada.client.messages.sendMessage({ recipientId: ben.id, text })).message!;
const markRead = async (id: string, who = ben) => (await who.client.messages.markRead({ id })).message!;

it("answers the message with the time at which it was first read, which the list then shows", async () => {
  const message = await send();
  clock.advance(1_234);
  const read = await markRead(message.id);
  expect(read).toMatchObject({ id: message.id, text: "Hello", senderId: ada.id, recipientId: ben.id });
  expect(timestampDate(read.readTime!)).toEqual(clock.now());
  expect(read.createTime).toEqual(message.createTime);
  expect((await ben.client.messages.listMessages({})).messages).toEqual([read]);
});

it("changes nothing when it is repeated", async () => {
  const { id } = await send();
  const first = await markRead(id);
  clock.advance(60_000);
  expect(await markRead(id)).toEqual(first);
  const { counters } = await countersAndRows(backstay, ben);
  expect(counters).toEqual({ msg_count: 1, msg_read: 1 });
});

it("counts once when twenty mark the same message at once", async () => {
  const { id } = await send();
  const answers = await Promise.all(upTo(20).map(() => markRead(id)));
  expect(new Set(answers.map(({ readTime }) => timestampDate(readTime!).getTime())).size).toBe(1);
  const { counters, rows } = await countersAndRows(backstay, ben);
  expect(counters).toEqual({ msg_count: 1, msg_read: 1 });
  expect(rows).toEqual(counters);
});

it("keeps the counters equal to the rows while messages arrive and are read, some of them twice", async () => {
  const messages = await Promise.all(upTo(20).map((n) => send(`${n}`)));
  await Promise.all([
    ...messages.slice(0, 15).map(({ id }) => markRead(id)),
    ...messages.slice(10, 15).map(({ id }) => markRead(id)),
    ...upTo(20).map((n) => send(`more ${n}`)),
  ]);
  const { counters, rows } = await countersAndRows(backstay, ben);
  expect(counters).toEqual({ msg_count: 40, msg_read: 15 });
  expect(rows).toEqual(counters);
});

it("takes an id with dashes", async () => {
  const { id } = await send();
  expect((await markRead(id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"))).id).toBe(id);
});

it("finds no message that someone else received, not even for its sender", async () => {
  const { id } = await send();
  expect(await refused(markRead(id, ada))).toEqual(notFound);
  expect(await refused(markRead(id, await backstay.signUp()))).toEqual(notFound);
  expect((await ben.client.messages.listMessages({})).messages[0]?.readTime).toBeUndefined();
  const { counters } = await countersAndRows(backstay, ben);
  expect(counters).toEqual({ msg_count: 1, msg_read: 0 });
});

it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody", "me"])("finds no message by the id %s", async (id) => {
  expect(await refused(markRead(id))).toEqual(notFound);
});

it("refuses an empty id and one of more than 64 characters", async () => {
  for (const id of ["", "a".repeat(65)]) {
    expect(await refused(markRead(id))).toEqual({ code: "invalid_argument", reason: "INVALID_FIELD", fields: ["id"] });
  }
});

describe("by sender and time", () => {
  it("names one message too", async () => {
    const [one, two] = [await send("one"), await send("two")];
    const { message } = await ben.client.messages.markRead({ senderId: ada.id, createTime: two.createTime! });
    expect(message).toMatchObject({ id: two.id, text: "two" });
    expect(message?.readTime).toBeDefined();
    const finer = { ...one.createTime!, nanos: one.createTime!.nanos + 999_999 };
    expect((await ben.client.messages.markRead({ senderId: ada.id, createTime: finer })).message?.id).toBe(one.id);
    const { counters } = await countersAndRows(backstay, ben);
    expect(counters).toEqual({ msg_count: 2, msg_read: 2 });
  });

  it("finds no message of another sender or time, or that someone else received", async () => {
    const { createTime } = await send();
    const refusal = async (senderId: string, time: typeof createTime, who = ben) =>
      refused(who.client.messages.markRead({ senderId, createTime: time! }));
    expect(await refusal(ben.id, createTime)).toEqual({ ...notFound, fields: ["createTime"] });
    expect(await refusal(ada.id, timestampFromMs(1))).toEqual({ ...notFound, fields: ["createTime"] });
    expect(await refusal("nobody", createTime)).toEqual({ ...notFound, fields: ["senderId"] });
    expect(await refusal(ada.id, createTime, ada)).toEqual({ ...notFound, fields: ["createTime"] });
  });

  it("asks for both, and for no id beside them", async () => {
    const { id, createTime } = await send();
    const refusal = (request: object) => refused(ben.client.messages.markRead(request));
    const invalid = (field: string) => ({ code: "invalid_argument", reason: "INVALID_FIELD", fields: [field] });
    expect(await refusal({ senderId: ada.id })).toEqual(invalid("createTime"));
    expect(await refusal({ createTime })).toEqual(invalid("senderId"));
    expect(await refusal({ id, senderId: ada.id })).toEqual(invalid("senderId"));
    expect(await refusal({ id, createTime })).toEqual(invalid("createTime"));
  });
});

it("asks for an account", async () => {
  const { id } = await send();
  expect(await refused(backstay.anonymous().messages.markRead({ id }))).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await refused(operator(backstay).messages.markRead({ id }))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});
