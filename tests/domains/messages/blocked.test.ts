import { toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MessageSchema } from "#gen/backstay/messages/v1/messages_pb.js";
import { listReceived } from "../../../server/domains/messages/store-list.js";
import type { Db } from "../../../server/platform/db/index.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { exportedOf } from "../exported.js";
import { standingStream } from "../stream.js";
import { openDatabase, refused, testClock, upTo } from "../support.js";
import { countersAndRows } from "./inbox.js";

let backstay: TestBackstay;
/** Ada blocks Ben; nobody has anything against Cleo. */
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

const block = () => ada.client.connections.block({ peerId: ben.id });
const unblock = () => ada.client.connections.unblock({ peerId: ben.id });
const send = async (text: string, sender = ben, recipient = ada) =>
  (await sender.client.messages.sendMessage({ recipientId: recipient.id, text })).message!;
const textsOf = async (who = ada) => (await who.client.messages.listMessages({})).messages.map(({ text }) => text);
const unread = async (request = {}) => (await ada.client.messages.listUnread(request)).messages.map(({ text }) => text);
const counters = async () => {
  const { counters, rows } = await countersAndRows(backstay, ada);
  expect(counters).toEqual(rows);
  return counters;
};
/** What is withheld of what Ben has sent to Ada, and what is counted of it for him. */
const withheld = async () => {
  const sql = openDatabase(backstay);
  const texts = await sql`select text from backstay.withheld_messages
    where recipient_id = ${ada.id} and sender_id = ${ben.id} order by id`;
  const [counted] = await sql`select value::int from backstay.withheld_counts
    where account_id = ${ada.id} and viewer_id = ${ben.id} and name = 'msg_count'`;
  return { texts: texts.map(({ text }) => text), counted: counted?.value ?? 0 };
};
const exportedMessages = async (who: Person) =>
  (await exportedOf(backstay, who.token)).filter(({ kind }) => kind === "message").map(({ record }) => record);

describe("a message to somebody who has blocked its sender", () => {
  beforeEach(block);

  it("is answered as any other", async () => {
    const message = await send("Hello");
    const other = await send("Hello", ben, cleo);
    expect({ ...message, id: "", recipientId: "" }).toEqual({ ...other, id: "", recipientId: "" });
    expect(message.recipientId).toBe(ada.id);
    expect(message.id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{19}$/);
  });

  it("does not arrive, is not counted, and stays away when the block is lifted", async () => {
    await send("Withheld");
    expect(await textsOf()).toEqual([]);
    expect(await unread()).toEqual([]);
    expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
    await unblock();
    expect(await textsOf()).toEqual([]);
    await send("Delivered");
    expect(await textsOf()).toEqual(["Delivered"]);
    expect(await counters()).toEqual({ msg_count: 1, msg_read: 0 });
  });

  it("has a time of its own, later than those before it, though the clock stands still", async () => {
    await unblock();
    const before = await send("Before");
    await block();
    const burst = await Promise.all(upTo(20).map((n) => send(`${n}`)));
    await unblock();
    const times = [before, ...burst, await send("After")].map(({ createTime }) => timestampMs(createTime!));
    expect(new Set(times).size).toBe(22);
    expect(Math.min(...times)).toBe(times[0]);
    expect(Math.max(...times)).toBe(times.at(-1));
  });

  it("is told to its sender's other devices, as any other, and to nobody else", async () => {
    const [own, theirs] = [await standingStream(backstay, ben.token), await standingStream(backstay, ada.token)];
    const message = await send("Withheld");
    expect(await own.event(1_000)).toMatchObject({
      type: "message.add",
      path: "/message/add",
      actorId: ben.id,
      topic: `account/${ben.id}`,
      data: toJson(MessageSchema, message) as object,
    });
    await send("From Cleo", cleo);
    expect((await theirs.event(1_000)).data.text).toBe("From Cleo");
  });

  it("is one message by an idempotency key, however often it is sent, and whatever becomes of the block", async () => {
    const keyed = (text: string) =>
      ben.client.messages.sendMessage({ recipientId: ada.id, text }, { idempotencyKey: "key" });
    const answers = await Promise.all(upTo(10).map(() => keyed("Once")));
    expect(new Set(answers.map(({ message }) => message!.id)).size).toBe(1);
    clock.advance(60_000);
    expect(await keyed("Once")).toEqual(answers[0]);
    expect(await refused(keyed("Changed"))).toMatchObject({ reason: "IDEMPOTENCY_MISMATCH" });
    await unblock();
    expect(await keyed("Once")).toEqual(answers[0]);
    expect(await textsOf()).toEqual([]);
    expect(await exportedMessages(ben)).toHaveLength(1);
  });

  it("repeated under its key is itself, although it was delivered before the block", async () => {
    await unblock();
    const keyed = () =>
      ben.client.messages.sendMessage({ recipientId: ada.id, text: "Once" }, { idempotencyKey: "key" });
    const first = await keyed();
    await block();
    expect(await keyed()).toEqual(first);
    await unblock();
    expect(await textsOf()).toEqual(["Once"]);
  });

  it("stands in its sender's export, in its place, and not in its recipient's", async () => {
    await send("One", ben, cleo);
    const withheld = await send("Two");
    await send("Three", ben, cleo);
    const sent = await exportedMessages(ben);
    expect(sent.map(({ text }) => text)).toEqual(["One", "Two", "Three"]);
    expect(sent[1]).toEqual(toJson(MessageSchema, withheld));
    expect(Object.keys(sent[1]!)).toEqual(Object.keys(sent[0]!));
    expect(await exportedMessages(ada)).toEqual([]);
  });

  it("goes with all of its sender that she deletes, and is not among those she is told of", async () => {
    await unblock();
    await send("Delivered");
    await block();
    const keyed = () =>
      ben.client.messages.sendMessage({ recipientId: ada.id, text: "Withheld" }, { idempotencyKey: "key" });
    await keyed();
    await send("To Cleo", ben, cleo);
    expect(await withheld()).toEqual({ texts: ["Withheld"], counted: 1 });
    expect(await ada.client.messages.deleteMessages({ senderId: ben.id })).toMatchObject({ deletedCount: 1 });
    expect(await withheld()).toEqual({ texts: [], counted: 0 });
    expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
    expect(await refused(keyed())).toMatchObject({ reason: "MESSAGE_NOT_FOUND" });
    expect((await exportedMessages(ben)).map(({ text }) => text)).toEqual(["To Cleo"]);
  });

  it("goes with what is of its sender and time, and with nothing else", async () => {
    const [first, second] = [await send("First"), await send("Second")];
    const { messages } = ada.client;
    const remove = async (request: Parameters<typeof messages.deleteMessages>[0]) =>
      (await messages.deleteMessages(request)).deletedCount;
    expect(await remove({ senderId: cleo.id, createTime: first.createTime! })).toBe(0);
    expect(await remove({ senderId: cleo.id })).toBe(0);
    expect(await remove({ ids: [second.id] })).toBe(0);
    expect(await withheld()).toEqual({ texts: ["First", "Second"], counted: 2 });
    expect(await remove({ senderId: ben.id, createTime: first.createTime! })).toBe(0);
    expect(await withheld()).toEqual({ texts: ["Second"], counted: 1 });
    await send("To himself", ada, ben);
    expect((await ben.client.messages.deleteMessages({ senderId: ada.id })).deletedCount).toBe(1);
    expect(await withheld()).toEqual({ texts: ["Second"], counted: 1 });
  });

  it("is counted as it is kept, while it is sent and deleted by many at once, and its sender goes", async () => {
    const remove = () => ada.client.messages.deleteMessages({ senderId: ben.id });
    const work = upTo(6).map(async (n) => {
      for (const round of upTo(25)) await (n % 2 === 0 ? remove() : send(`${n} ${round}`));
    });
    await Promise.all(work);
    const { texts, counted } = await withheld();
    expect(counted).toBe(texts.length);
    for (const n of upTo(5)) await send(`${n}`);
    await Promise.all([
      ...upTo(5).map(remove),
      ben.client.accounts.deleteAccount({ id: "me" }),
      ...upTo(5).map(remove),
    ]);
    expect(await withheld()).toEqual({ texts: [], counted: 0 });
    expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
  });

  it("goes with its sender's account, and with its recipient's", async () => {
    const sql = openDatabase(backstay);
    const left = async () => {
      const [row] = await sql`select count(*)::int as count from backstay.withheld_messages
        where sender_id = ${ben.id} or recipient_id = ${ada.id}`;
      return row!.count;
    };
    await send("To Ada");
    await cleo.client.connections.block({ peerId: ben.id });
    await send("To Cleo", ben, cleo);
    expect(await left()).toBe(2);
    await ada.client.accounts.deleteAccount({ id: "me" });
    expect(await left()).toBe(1);
    expect((await exportedMessages(ben)).map(({ text }) => text)).toEqual(["To Cleo"]);
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await left()).toBe(0);
  });
});

it("a block is of one side: who has blocked somebody still reaches him", async () => {
  await block();
  await send("From Ada", ada, ben);
  expect(await textsOf(ben)).toEqual(["From Ada"]);
});

describe("messages that were received before the block", () => {
  const sent = new Map<string, string>();
  beforeEach(async () => {
    sent.clear();
    for (const n of upTo(3)) {
      sent.set(`Ben ${n}`, (await send(`Ben ${n}`)).id);
      sent.set(`Cleo ${n}`, (await send(`Cleo ${n}`, cleo)).id);
    }
    await block();
  });

  it("are left out of the lists while it stands, and are there again afterwards", async () => {
    expect(await textsOf()).toEqual(["Cleo 1", "Cleo 2", "Cleo 3"]);
    expect(await unread()).toEqual(["Cleo 1", "Cleo 2", "Cleo 3"]);
    const { messages } = ada.client;
    expect(await messages.listMessages({ senderId: ben.id })).toMatchObject({ messages: [], nextPageToken: "" });
    const values = [{ kind: { case: "stringValue", value: "n 2" } as const }];
    const filters = [{ column: "text", op: "contains", values }];
    expect(await messages.listMessages({ filters })).toMatchObject({ messages: [] });
    const descending = await messages.listMessages({ descending: true });
    expect(descending.messages.map(({ text }) => text)).toEqual(["Cleo 3", "Cleo 2", "Cleo 1"]);
    await unblock();
    expect(await textsOf()).toEqual([...sent.keys()]);
    expect(await unread()).toEqual([...sent.keys()]);
  });

  it("leave pages as full as those of others", async () => {
    const first = await ada.client.messages.listMessages({ pageSize: 2 });
    expect(first.messages.map(({ text }) => text)).toEqual(["Cleo 1", "Cleo 2"]);
    const second = await ada.client.messages.listMessages({ pageSize: 2, pageToken: first.nextPageToken });
    expect([second.messages.map(({ text }) => text), second.nextPageToken]).toEqual([["Cleo 3"], ""]);
  });

  it("stay counted, and are not marked read by who cannot see them", async () => {
    expect(await counters()).toEqual({ msg_count: 6, msg_read: 0 });
    const page = await ada.client.messages.listUnread({ markRead: true, pageSize: 3 });
    expect(page.messages.map(({ text }) => text)).toEqual(["Cleo 1", "Cleo 2", "Cleo 3"]);
    // What is left is Ben's: there is no page to go on to.
    expect(page.nextPageToken).toBe("");
    expect(await counters()).toEqual({ msg_count: 6, msg_read: 3 });
    await unblock();
    expect(await unread()).toEqual(["Ben 1", "Ben 2", "Ben 3"]);
  });

  it("can still be marked read and deleted by who knows of them", async () => {
    const { messages } = ada.client;
    expect((await messages.markRead({ id: sent.get("Ben 1")! })).message?.readTime).toBeDefined();
    expect(await messages.deleteMessages({ id: sent.get("Ben 1")! })).toMatchObject({ deletedCount: 1 });
    expect(await counters()).toEqual({ msg_count: 5, msg_read: 0 });
    expect(await messages.deleteMessages({ senderId: ben.id })).toMatchObject({ deletedCount: 2 });
    expect(await counters()).toEqual({ msg_count: 3, msg_read: 0 });
  });

  it("stand in both exports", async () => {
    expect((await exportedMessages(ada)).map(({ text }) => text)).toEqual([...sent.keys()]);
    expect((await exportedMessages(ben)).map(({ text }) => text)).toEqual(["Ben 1", "Ben 2", "Ben 3"]);
  });
});

it.each([
  [{ bySender: false, descending: false }, "Index Scan using messages_recipient_mtime"],
  [{ bySender: false, descending: true }, "Index Scan Backward using messages_recipient_mtime"],
  [{ bySender: true, descending: false }, "Index Scan using messages_recipient"],
])("a list is read in its order from an index, whoever is blocked: %j", async (shape, found) => {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.messages (id, recipient_id, sender_id, mtime, text, created_at)
    select gen_random_uuid(), ${ada.id}, ${ben.id}, n, 'Hello', now() from generate_series(1, 20000) n`;
  await sql`with strangers as (
      insert into backstay.accounts
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select gen_random_uuid(), 'Stranger', 'Stranger', '', '', '', '', '', '{}', now(), now() from generate_series(1, 2000) returning id
    )
    insert into backstay.blocks (account_id, peer_id, created_at) select ${ada.id}, id, now() from strangers`;
  await sql`analyze backstay.messages, backstay.blocks`;
  const run = (text: string, values: readonly unknown[]) => sql.unsafe(`explain ${text}`, values as never[]);
  const input = { recipientId: ada.id, senderId: ben.id, since: undefined, after: undefined, limit: 51 };
  const lines = (await listReceived(shape)({ db: { run } as unknown as Db }, input)) as unknown as object[];
  const plan = lines.flatMap((line) => Object.values(line)).join("\n");
  expect(plan).toContain(found);
  expect(plan).not.toMatch(/Sort|Join|Nested Loop/);
});
