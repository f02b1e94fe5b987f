import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, eventually, openDatabase, operator, refused, upTo } from "../support.js";
import { countersAndRows } from "./inbox.js";

type Request = NonNullable<Parameters<Person["client"]["messages"]["deleteMessages"]>[0]>;

const NOBODY = "0190163d8694739b8b1fcb8dd4e60777";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let cleo: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

const send = async (sender: Person, text = "Hello") =>
  (await sender.client.messages.sendMessage({ recipientId: ben.id, text })).message!;
const remove = async (request: Request, who = ben) => (await who.client.messages.deleteMessages(request)).deletedCount;
const left = async () => (await ben.client.messages.listMessages({})).messages.map(({ text }) => text);
const counters = async () => {
  const { counters, rows } = await countersAndRows(backstay, ben);
  expect(counters).toEqual(rows);
  return counters;
};

describe("by id", () => {
  it("deletes those, each counted once, and says how many", async () => {
    const sent = [await send(ada, "one"), await send(ada, "two"), await send(cleo, "three")];
    const [one, two] = sent.map(({ id }) => id);
    expect(await remove({ ids: [one!, two!, one!], id: two! })).toBe(2);
    expect(await left()).toEqual(["three"]);
    expect(await counters()).toEqual({ msg_count: 1, msg_read: 0 });
  });

  it("deletes one by its path in REST, and with dashes in its id", async () => {
    const [one, two] = [await send(ada), await send(ada)];
    const path = `${backstay.url}/v1/messages/${one.id}`;
    const response = await fetch(path, { method: "DELETE", headers: bearer(ben.token) });
    expect(await response.json()).toEqual({ deletedCount: 1 });
    const dashed = two.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    expect(await remove({ id: dashed })).toBe(1);
  });

  it("deletes nothing that is not there, or that someone else received", async () => {
    const { id } = await send(ada);
    expect(await remove({ ids: [NOBODY, "nobody"] })).toBe(0);
    expect(await remove({ id }, ada)).toBe(0);
    expect(await remove({ id }, cleo)).toBe(0);
    expect(await remove({ id })).toBe(1);
    expect(await remove({ id })).toBe(0);
    expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
  });
});

describe("by sender and time", () => {
  it("deletes all of a sender", async () => {
    for (const text of ["one", "two"]) await send(ada, text);
    await send(cleo, "three");
    const response = await fetch(`${backstay.url}/v1/messages?senderId=${ada.id}`, {
      method: "DELETE",
      headers: bearer(ben.token),
    });
    expect(await response.json()).toEqual({ deletedCount: 2 });
    expect(await left()).toEqual(["three"]);
  });

  it("deletes the one message of a time, to the millisecond, whoever sent it", async () => {
    const [one] = [await send(ada, "one"), await send(cleo, "two")];
    const ms = timestampMs(one.createTime!);
    expect(await remove({ createTime: timestampFromMs(ms - 1) })).toBe(0);
    const finer = { ...timestampFromMs(ms), nanos: one.createTime!.nanos + 999_999 };
    expect(await remove({ createTime: finer })).toBe(1);
    expect(await left()).toEqual(["two"]);
  });

  it("deletes what is of both", async () => {
    const [one, two] = [await send(ada, "one"), await send(cleo, "two")];
    expect(await remove({ senderId: ada.id, createTime: two.createTime! })).toBe(0);
    expect(await remove({ senderId: ada.id, createTime: one.createTime! })).toBe(1);
    expect(await left()).toEqual(["two"]);
  });

  it("deletes nothing of a sender that can be nobody", async () => {
    const { createTime } = await send(ada);
    expect(await remove({ senderId: "nobody" })).toBe(0);
    expect(await remove({ senderId: "nobody", createTime: createTime! })).toBe(0);
    expect(await left()).toHaveLength(1);
  });
});

it("takes off the counter of read messages what was read", async () => {
  const sent = await Promise.all(upTo(6).map(() => send(ada)));
  for (const { id } of sent.slice(0, 4)) await ben.client.messages.markRead({ id });
  expect(await counters()).toEqual({ msg_count: 6, msg_read: 4 });
  expect(await remove({ ids: sent.slice(3, 5).map(({ id }) => id) })).toBe(2);
  expect(await counters()).toEqual({ msg_count: 4, msg_read: 3 });
  expect(await remove({ senderId: ada.id })).toBe(4);
  expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
});

it("leaves the places of deleted messages empty: a later message gets a later one", async () => {
  const { id, createTime } = await send(ada);
  await remove({ id });
  expect(timestampMs((await send(ada)).createTime!)).toBeGreaterThan(timestampMs(createTime!));
});

describe("is refused", () => {
  it.each<[string, Request, string]>([
    ["when nothing says which", {}, "ids"],
    ["when ids stand beside a sender", { ids: [NOBODY], senderId: NOBODY }, "senderId"],
    ["when an id stands beside a time", { id: NOBODY, createTime: timestampFromMs(1) }, "createTime"],
    ["when an id is empty", { ids: [NOBODY, ""] }, "ids[1]"],
    ["when there are more than 500", { ids: Array(501).fill(NOBODY) }, "ids"],
  ])("%s", async (_, request, field) => {
    await send(ada);
    expect(await refused(remove(request))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: [field],
    });
    expect(await left()).toHaveLength(1);
  });

  it("without an account", async () => {
    const request = { id: NOBODY };
    expect(await refused(backstay.anonymous().messages.deleteMessages(request))).toMatchObject({
      reason: "TOKEN_MISSING",
    });
    expect(await refused(operator(backstay).messages.deleteMessages(request))).toMatchObject({
      reason: "ACCOUNT_REQUIRED",
    });
  });
});

it("counts what someone was marking read, for the first time ever, while it waited", async () => {
  const { id } = await send(ada);
  const sql = openDatabase(backstay);
  let commit = () => {};
  let marking: Promise<unknown> | undefined;
  await new Promise<void>((isMarked) => {
    marking = sql.begin(async (tx) => {
      await tx`update backstay.messages set read_at = now() where id = ${id}`;
      await tx`insert into backstay.counters (account_id, name, value) values (${ben.id}, 'msg_read', 1)`;
      isMarked();
      await new Promise<void>((resolve) => {
        commit = resolve;
      });
    });
  });
  const removed = remove({ id });
  await eventually(5_000, "the deletion waits", async () => {
    const [waiting] = await sql`select 1 from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like '%delete from%'`;
    return waiting && true;
  });
  commit();
  await marking;
  expect(await removed).toBe(1);
  expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
});

it("keeps counters and rows equal while eight send, mark, list and delete at once", async () => {
  const senders = [ada, cleo];
  const { messages } = ben.client;
  const ids = async (descending: boolean) =>
    (await messages.listMessages({ pageSize: 20, descending })).messages.map(({ id }) => id);
  const ignoreMissing = (error: unknown) => {
    // Another worker was faster with this message.
    if ((error as { reason?: string }).reason !== "MESSAGE_NOT_FOUND") throw error;
  };
  const workers: ((round: number) => Promise<unknown>)[] = [
    (round) => send(senders[round % 2]!, `${round}`),
    (round) => Promise.all(upTo(3).map((n) => send(senders[n % 2]!, `${round} ${n}`))),
    async () => {
      for (const id of (await ids(false)).slice(0, 3)) await messages.markRead({ id }).catch(ignoreMissing);
    },
    async () => {
      for (const id of (await ids(true)).slice(0, 3)) await messages.markRead({ id }).catch(ignoreMissing);
    },
    () => messages.listUnread({ markRead: true, pageSize: 5 }),
    () => messages.listUnread({ markRead: true, pageSize: 3 }),
    // In no order, and overlapping with the other worker's.
    async () => messages.deleteMessages({ ids: [...(await ids(false)).slice(0, 2).reverse(), NOBODY] }),
    async (round) =>
      round % 10 === 9
        ? messages.deleteMessages({ senderId: ada.id })
        : messages.deleteMessages({ ids: [...(await ids(false)).slice(0, 2), NOBODY] }),
  ];
  await Promise.all(
    workers.map(async (work) => {
      for (const round of upTo(40)) await work(round);
    }),
  );
  await counters();
  await remove({ senderId: ada.id });
  await remove({ senderId: cleo.id });
  expect(await counters()).toEqual({ msg_count: 0, msg_read: 0 });
});
