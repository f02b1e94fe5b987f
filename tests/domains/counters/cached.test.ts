import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { startNats, type TestNats } from "../../support/nats.js";
import { curl } from "../support.js";
import { writeRow } from "./house.js";

const GET = "counters.v1.CounterService/GetCounters";

/** A counter as a node answers it: of the caller, or of another account. */
async function valueAt(node: TestBackstay, by: Person, name: string, of?: Person): Promise<number> {
  const request = of === undefined ? {} : { accountId: of.id };
  const { counters } = await curl<{ counters: Record<string, string> }>(node, GET, request, by.token);
  return Number(counters[name]);
}

/** What moves a counter, and of whom: Ada acts, on herself or on Ben, who then has one or none. */
type Act = [what: string, name: string, expected: number, act: (ada: Person, ben: Person) => Promise<unknown>];

const ACTS: Act[] = [
  [
    "an increment by another",
    "ping",
    2,
    (ada, ben) => ada.client.counters.incrementCounters({ accountId: ben.id, deltas: { ping: 2n } }),
  ],
  ["an increment of one's own", "ping", 3, (_, ben) => ben.client.counters.incrementCounters({ deltas: { ping: 3n } })],
  ["a put", "ping", 4, (_, ben) => ben.client.counters.putCounters({ counters: { ping: 4n } })],
  ["a like", "like1", 1, (ada, ben) => ada.client.connections.putConnection({ peerId: ben.id, type: "like" })],
  [
    "a like of one's own",
    "like0",
    1,
    (ada, ben) => ben.client.connections.putConnection({ peerId: ada.id, type: "like" }),
  ],
  ["a message", "msg_count", 1, (ada, ben) => ada.client.messages.sendMessage({ recipientId: ben.id, text: "Hello" })],
];

/** The same of what Ben does with one message he has got. */
const READS: Act[] = [
  [
    "a message that is read",
    "msg_read",
    1,
    async (_, ben) => {
      const { messages } = await ben.client.messages.listMessages({});
      await ben.client.messages.markRead({ id: messages[0]!.id });
    },
  ],
  [
    "messages that are read as they are listed",
    "msg_read",
    1,
    (_, ben) => ben.client.messages.listUnread({ markRead: true }),
  ],
  ["a message that is deleted", "msg_count", 0, (ada, ben) => ben.client.messages.deleteMessages({ senderId: ada.id })],
];

describe("on the node that writes", () => {
  let backstay: TestBackstay;
  let ada: Person;
  let ben: Person;
  beforeAll(async () => {
    backstay = await startBackstay();
  });
  beforeEach(async () => {
    [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  });
  afterAll(() => backstay.stop());

  it("what is remembered is at most two seconds old, whoever has written it", async () => {
    expect(await valueAt(backstay, ben, "ping")).toBe(0);
    await writeRow(backstay, ben, { name: "ping", value: 9n });
    expect(await valueAt(backstay, ben, "ping")).toBe(0);
    await expect.poll(() => valueAt(backstay, ben, "ping"), { timeout: 2_000, interval: 20 }).toBe(9);
  });

  it.each(ACTS)("it is never older than the last write: %s", async (_, name, expected, act) => {
    expect(await valueAt(backstay, ben, name)).toBe(0);
    await act(ada, ben);
    expect(await valueAt(backstay, ben, name)).toBe(expected);
  });

  it.each(READS)("nor of messages: %s", async (_, name, expected, act) => {
    await ada.client.messages.sendMessage({ recipientId: ben.id, text: "Hello" });
    expect(await valueAt(backstay, ben, "msg_count")).toBe(1);
    await act(ada, ben);
    expect(await valueAt(backstay, ben, name)).toBe(expected);
  });
});

it("is read each time when cache.tables does not name it", async () => {
  const backstay = await startBackstay({ "cache.tables": "accounts,grants" });
  onTestFinished(() => backstay.stop());
  const ben = await backstay.signUp();
  expect(await valueAt(backstay, ben, "ping")).toBe(0);
  await writeRow(backstay, ben, { name: "ping", value: 9n });
  expect(await valueAt(backstay, ben, "ping")).toBe(9);
});

describe("on another node, over NATS", () => {
  let nats: TestNats;
  let one: TestBackstay;
  let two: TestBackstay;
  let ada: Person;
  let ben: Person;
  beforeAll(async () => {
    nats = await startNats();
    const shared = { "nats.url": nats.url, secret: "ab".repeat(32) };
    one = await startBackstay(shared);
    two = await startBackstay({ ...shared, "database.url": one.databaseUrl });
  });
  beforeEach(async () => {
    [ada, ben] = [await one.signUp(), await one.signUp()];
  });
  afterAll(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    await nats?.stop();
  });

  it.each(ACTS)(
    "a write is seen within a second, which is before what is remembered there ends: %s",
    async (...given) => {
      const [, name, expected, act] = given;
      // Read at the last moment: it would be remembered for longer than the second.
      expect(await valueAt(two, ben, name)).toBe(0);
      await act(ada, ben);
      await expect.poll(() => valueAt(two, ben, name), { timeout: 1_000, interval: 5 }).toBe(expected);
      expect(await valueAt(one, ben, name)).toBe(expected);
    },
  );

  it("what others may see of it too", async () => {
    expect(await valueAt(two, ada, "ping", ben)).toBe(0);
    await ben.client.counters.incrementCounters({ deltas: { ping: 1n } });
    await expect.poll(() => valueAt(two, ada, "ping", ben), { timeout: 1_000, interval: 5 }).toBe(1);
  });
});
