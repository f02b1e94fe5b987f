import {
  BackstayError,
  ConnectionSchema,
  CounterChangeSchema,
  createClient,
  type Event,
  eventData,
  HistoryEntrySchema,
  memoryStore,
  timestampDate,
  timestampFromDate,
  valueFromJson,
  valueToJson,
} from "@backstay/client";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { rejection } from "./support/client.js";
import { createQueue } from "./support/queue.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay?.stop());

/** Follows a person's events of some types; live when this resolves. */
async function follow({ client }: Person, types: string) {
  const events = createQueue<Event>();
  const live = createQueue<true>();
  const listening = client.events.on(types, events.push, {
    onStatus: ({ status }) => status === "live" && live.push(true),
  });
  onTestFinished(() => listening.close());
  await live.take();
  return events;
}

/** A client of a person whose connection breaks before each answer of the first `times` calls, and how many it sent. */
async function unluckyClient({ login, secret }: Person, times: number) {
  let left = 0;
  let sent = 0;
  const client = createClient(backstay.url, {
    store: memoryStore(),
    retry: { minDelayMs: 1, maxDelayMs: 4 },
    async fetch(input, init) {
      const response = await fetch(input, init);
      sent++;
      if (left-- <= 0) return response;
      await response.body?.cancel();
      throw new TypeError("the connection broke");
    },
  });
  await client.auth.signIn({ login, secret });
  [left, sent] = [times, 0];
  return { client, sent: () => sent };
}

it("makes a connection, and tells whether it is mutual", async () => {
  const properties = { note: "met at sea", stars: 5, tags: ["a", null] };
  const made = await ada.client.connections.putConnection({ peerId: ben.id, type: "like", properties });
  expect(made.connection).toMatchObject({ peerId: ben.id, type: "like", properties });
  expect(Math.abs(timestampDate(made.connection!.createTime!).getTime() - Date.now())).toBeLessThan(60_000);
  expect(made.connected).toBe(false);
  expect((await ben.client.connections.putConnection({ peerId: ada.id, type: "like" })).connected).toBe(true);

  const again = ada.client.connections.putConnection({ peerId: ben.id, type: "like", createOnly: true });
  expect(BackstayError.is(await rejection(again), "CONNECTION_EXISTS")).toBe(true);
});

it("lists both directions, with what is public of the accounts, page by page", async () => {
  const before = timestampFromDate(new Date(Date.now() - 1));
  const fans = [ada, await backstay.signUp(), await backstay.signUp()];
  for (const [n, { client }] of fans.entries()) {
    await client.connections.putConnection({ peerId: ben.id, type: "follow", properties: { n } });
  }
  const found: [string, string | undefined][] = [];
  let pageToken = "";
  do {
    const asked = { type: "follow", since: before, details: true, pageSize: 2, pageToken };
    const page = await ben.client.connections.listReferences(asked);
    found.push(...page.connections.map(({ peerId, account }): [string, string | undefined] => [peerId, account?.name]));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual(fans.map(({ id, login }) => [id, `Name of ${login}`]));

  const filters = [{ column: "properties.n", op: "in", values: ["1", "2"].map(valueFromJson) }];
  const some = await ben.client.connections.listReferences({ type: "follow", filters, descending: true });
  expect(some.connections.map(({ properties }) => properties?.n)).toEqual([2, 1]);
  expect((await ada.client.connections.listConnections()).connections).toMatchObject([{ peerId: ben.id }]);
});

it("changes and deletes connections, and finds those two have in common", async () => {
  const cleo = await backstay.signUp();
  for (const { client } of [ada, ben]) await client.connections.putConnection({ peerId: cleo.id, type: "like" });
  const { accountIds } = await ada.client.connections.listMutual({ peerId: ben.id, type: "like" });
  expect(accountIds).toEqual([cleo.id]);

  const { connection } = await ada.client.connections.updateConnection({
    connection: { peerId: cleo.id, type: "like", properties: { note: "again" } },
  });
  expect(connection?.properties).toEqual({ note: "again" });
  expect((await ada.client.connections.deleteConnections({ type: "like" })).deletedCount).toBe(1);
  expect((await ada.client.connections.deleteConnections({ type: "like" })).deletedCount).toBe(0);
});

it("hands out connection.add with who did it, typed", async () => {
  const events = await follow(ben, "connection.*");
  await ada.client.connections.putConnection({ peerId: ben.id, type: "like", properties: { note: "hello" } });
  const added = await events.take();
  expect([added.type, added.path, added.actorId]).toEqual(["connection.add", "/connection/add", ada.id]);
  expect(eventData(added, ConnectionSchema)).toMatchObject({
    peerId: ada.id,
    type: "like",
    properties: { note: "hello" },
  });
  await ada.client.connections.deleteConnections({ peerId: ben.id });
  const gone = await events.take();
  expect([gone.type, eventData(gone, ConnectionSchema).type]).toEqual(["connection.del", "like"]);
});

it("an invite is answered by who was invited, and both are told", async () => {
  await ada.client.connections.putConnection({ peerId: ben.id, type: "invite" });
  const [toAda, toBen] = [await follow(ada, "connection.update"), await follow(ben, "connection.update")];
  const answer = { peerId: ada.id, type: "invite", properties: { state: "accepted" } };
  await ben.client.connections.updateConnection({ connection: answer });
  for (const [events, peerId] of [
    [toAda, ben.id],
    [toBen, ada.id],
  ] as const) {
    const { properties, ...told } = eventData(await events.take(), ConnectionSchema);
    expect([told.peerId, properties]).toEqual([peerId, { state: "accepted" }]);
  }
  const again = ben.client.connections.updateConnection({ connection: answer });
  expect(BackstayError.is(await rejection(again), "INVITE_STATE")).toBe(true);
});

it("blocks, lists who is blocked, and unblocks", async () => {
  await ben.client.connections.block({ peerId: ada.id });
  expect((await ben.client.connections.listBlocked()).blocks).toMatchObject([{ peerId: ada.id }]);
  await ada.client.connections.putConnection({ peerId: ben.id, type: "like" });
  expect((await ben.client.connections.listReferences()).connections).toEqual([]);
  expect((await ada.client.connections.listConnections()).connections).toHaveLength(1);
  await ben.client.connections.unblock({ peerId: ada.id });
  expect((await ben.client.connections.listBlocked()).blocks).toEqual([]);
});

it("counts in bigints: what connections and messages made of counters, and what is raised", async () => {
  await ada.client.connections.putConnection({ peerId: ben.id, type: "like" });
  await ada.client.messages.sendMessage({ recipientId: ben.id, text: "Hello" });
  const { counters } = await ben.client.counters.getCounters();
  expect([counters.like1, counters.msg_count, counters.msg_read]).toEqual([1n, 1n, 0n]);

  const events = await follow(ben, "counter.incr");
  const raised = await ada.client.counters.incrementCounters({ accountId: ben.id, deltas: { ping: 5n } });
  expect(raised.counters).toEqual({ ping: 5n });
  expect(eventData(await events.take(), CounterChangeSchema)).toMatchObject({
    deltas: { ping: 5n },
    counters: { ping: 5n },
  });
  expect((await ada.client.counters.getCounters({ accountId: ben.id })).counters).toEqual({ ping: 5n });

  const largest = BigInt(Number.MAX_SAFE_INTEGER);
  expect((await ada.client.counters.putCounters({ counters: { ping: -largest } })).counters.ping).toBe(-largest);
  const derived = ada.client.counters.putCounters({ counters: { like0: 1n } });
  expect(BackstayError.is(await rejection(derived), "DERIVED_COUNTER")).toBe(true);
});

it("remembers any value, and lists entries newest first", async () => {
  const events = await follow(ada, "history.add");
  const values = [{ level: 3, stars: [1, null] }, "text", 42, false, null];
  for (const value of values) {
    await ada.client.history.appendHistory({ type: "level.done", data: valueFromJson(value) });
  }
  await ada.client.history.appendHistory({ type: "level.begun" });

  const { entries } = await ada.client.history.listHistory({ type: "level.done", descending: true });
  expect(entries.map(({ data }) => valueToJson(data))).toEqual(values.toReversed());
  const [begun] = (await ada.client.history.listHistory({ type: "level.begun" })).entries;
  expect([begun!.data, valueToJson(begun!.data)]).toEqual([undefined, undefined]);
  for (const value of values) {
    const told = eventData(await events.take(), HistoryEntrySchema);
    expect([told.type, valueToJson(told.data)]).toEqual(["level.done", value]);
  }
});

it("does what makes or adds something once, however often the connection breaks before the answer", async () => {
  for (const times of [1, 2, 3]) {
    const { client, sent } = await unluckyClient(ada, times);
    await client.counters.incrementCounters({ deltas: { ping: 1n } });
    expect(sent()).toBe(times + 1);
  }
  expect((await ada.client.counters.getCounters()).counters.ping).toBe(3n);

  const put = await unluckyClient(ada, 2);
  const { connection } = await put.client.connections.putConnection({ peerId: ben.id, type: "like", createOnly: true });
  expect([connection?.peerId, put.sent()]).toEqual([ben.id, 3]);
  expect((await ben.client.counters.getCounters()).counters.like1).toBe(1n);

  const { client } = await unluckyClient(ada, 2);
  const { entry } = await client.history.appendHistory({ type: "once" });
  const { entries } = await client.history.listHistory({ type: "once" });
  expect(entries.map(({ id }) => id)).toEqual([entry!.id]);
});

it("what only changes or deletes is not repeated by itself", async () => {
  await ada.client.connections.putConnection({ peerId: ben.id, type: "like" });
  const { client, sent } = await unluckyClient(ada, 1);
  const deleted = client.connections.deleteConnections({ peerId: ben.id });
  expect(BackstayError.is(await rejection(deleted), "unavailable")).toBe(true);
  expect(sent()).toBe(1);
  expect((await ada.client.connections.listConnections()).connections).toEqual([]);
});
