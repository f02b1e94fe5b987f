import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import type { Database } from "../../server/platform/db/index.js";
import { eraseTopic, type LoggedEvent } from "../../server/platform/events/index.js";
import { MOVE_BATCH } from "../../server/platform/events/store.js";
import { readStream, startNats, startNatsCluster, type TestNats, withStreams } from "../support/nats.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { type ChaosProxy, chaosProxy } from "./chaos-proxy.js";
import { type NatsTerms, startEventNode } from "./event-nodes.js";

type Node = Awaited<ReturnType<typeof startEventNode>>;

const TOPIC = "account/ada";
const STREAM = "TEST_EVENTS";

let nats: TestNats;
let data: TestDatabase;
let observer: postgres.Sql;
const nodes: Node[] = [];
beforeAll(async () => {
  nats = await startNats();
});
beforeEach(async () => {
  await nats.kill9();
  await nats.wipe();
  await nats.start();
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  observer = postgres(data.url, { max: 4, onnotice: () => {} });
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  await observer?.end({ timeout: 1 });
  await data?.drop();
});
afterAll(() => nats?.stop());

async function startNode(terms: Partial<NatsTerms> = {}, over?: (database: Database) => Database): Promise<Node> {
  const node = await startEventNode(data.url, { url: nats.url, prefix: "test", ...terms }, over);
  nodes.push(node);
  return node;
}

function follow(node: Node, topic = TOPIC): LoggedEvent[] {
  const heard: LoggedEvent[] = [];
  node.log.subscribe(topic, (event) => heard.push(event));
  return heard;
}

/** Commits events as writers on one node do, and wakes its relay. */
async function write(node: Node, count: number, { type = "test.add", text = "{}", topic = TOPIC } = {}): Promise<void> {
  await observer`insert into backstay.outbox (id, topics, type, data, created_at)
    select gen_random_uuid(), array[${topic}], ${type}, ${text}::text::jsonb, now() from generate_series(1, ${count})`;
  node.log.wake();
}

/** Erases a topic, as the deletion of its account does. */
async function erase(node: Node, topic: string): Promise<void> {
  await eraseTopic({ db: node.database }, { topic });
  await node.log.forget(topic);
}

const idsOfLog = async () =>
  (
    await observer`select epoch || '.' || log_offset as id from backstay.events, backstay.event_log order by log_offset`
  ).map(({ id }) => id as string);
const idsOfStream = async () => (await readStream(nats.url, STREAM)).map(({ id }) => id);

const streamConfig = async () => (await withStreams(nats.url, (streams) => streams.info(STREAM))).config;

/** Waits until NATS has the log, every event once and in its order. */
async function isCarriedWhole(timeout: number): Promise<void> {
  const counts = async () => {
    const [row] = await observer`select (select count(*)::int from backstay.outbox) as waiting,
      (select count(*)::int from backstay.events) as logged`;
    return { ...row, stored: (await idsOfStream()).length };
  };
  const whole = async () => {
    const { waiting, logged, stored } = (await counts()) as Record<string, number>;
    return waiting === 0 && logged === stored;
  };
  await expect.poll(whole, { timeout, interval: 100 }).toBe(true);
  expect(await idsOfStream()).toEqual(await idsOfLog());
  // A node that is cut off cannot know what another has carried: it finds out when it is back, which takes it some seconds.
  for (const { log } of nodes) await expect.poll(() => log.lag().uncarried, { timeout: 8_000 }).toBe(0);
}

const reaches = (heard: unknown[], count: number, timeout: number) =>
  expect.poll(() => heard.length, { timeout, interval: 5 }).toBe(count);
const isConnected = (node: Node) => expect.poll(() => node.carrier.isConnected(), { timeout: 5_000 }).toBe(true);
const inOrder = (heard: LoggedEvent[]) =>
  heard.every(({ offset }, n) => n === 0 || offset === heard[n - 1]!.offset + 1);

it("brings what one node numbers to the streams of another, which need not look", async () => {
  const writer = await startNode();
  let blind = false;
  const reader = await startNode({}, (database) => ({
    ...database,
    async run(text, values) {
      if (blind) throw new DomainError("DATABASE_UNAVAILABLE");
      return database.run(text, values);
    },
  }));
  for (const node of [writer, reader]) await isConnected(node);
  blind = true;
  const heard = follow(reader);
  for (let n = 0; n < 20; n++) await write(writer, 50, { type: `test.n${n}` });
  await reaches(heard, 1_000, 5_000);
  expect(inOrder(heard)).toBe(true);
  const rows =
    await observer`select replace(id::text, '-', '') as id, topic, type, data::text as data from backstay.events order by log_offset`;
  expect(heard.map(({ id, topic, type, data }) => ({ id, topic, type, data }))).toEqual([...rows]);
});

it("has them on NATS by topic and type, whatever these are called", async () => {
  const node = await startNode();
  await write(node, 1, { topic: "room/1.5 *", type: "chat.message_add" });
  await isCarriedWhole(5_000);
  const [stored] = await readStream(nats.url, STREAM);
  expect(stored!.subject).toBe("test.events.room.1%002e5%0020%002a.chat.message_add");
  expect(JSON.parse(stored!.data)).toMatchObject({ topic: "room/1.5 *", type: "chat.message_add", data: "{}" });
});

it("is found by looking within 3 seconds while NATS is away", async () => {
  const [writer, reader] = [await startNode(), await startNode()];
  const heard = follow(reader);
  await nats.kill9();
  await write(writer, 10);
  await reaches(heard, 10, 3_000);
  await expect.poll(() => writer.log.lag().uncarried, { timeout: 3_000 }).toBe(10);
  expect(writer.log.lag().uncarriedMs).toBeGreaterThan(0);
  expect(writer.carrier.isConnected()).toBe(false);
});

it("is carried whole and in order after an outage, also what did not fit into memory", async () => {
  const [one, two] = [await startNode(), await startNode()];
  const heard = [follow(one), follow(two)];
  await write(one, 100);
  await isCarriedWhole(5_000);
  await nats.kill9();
  for (let n = 0; n < 10; n++) await write(n % 2 ? one : two, 700);
  for (const events of heard) await reaches(events, 7_100, 8_000);
  await nats.start();
  await isCarriedWhole(10_000);
  expect(heard.every(inOrder)).toBe(true);
  // Warned of in time only if it lasted.
  expect(one.complaints).toEqual([expect.objectContaining({ message: expect.stringMatching(/^NATS is away/) })]);
});

it("makes a stream that was wiped again, from the oldest event the log keeps", async () => {
  const [one, two] = [await startNode(), await startNode()];
  const heard = follow(two);
  await write(one, 3_000);
  await reaches(heard, 3_000, 5_000);
  await observer`delete from backstay.events where log_offset <= 1000`;
  await nats.kill9();
  await nats.wipe();
  await nats.start();
  for (let n = 0; n < 10; n++) await write(n % 2 ? one : two, 10);
  await isCarriedWhole(10_000);
  expect(await idsOfLog()).toHaveLength(2_100);
  await reaches(heard, 3_100, 5_000);
  expect(inOrder(heard)).toBe(true);
});

it("keeps one order when several nodes carry at once", async () => {
  const [one, two, three] = [await startNode(), await startNode(), await startNode()];
  const heard = [one, two, three].map((node) => follow(node));
  const busy = async (node: Node) => {
    for (let n = 0; n < 60; n++) {
      await write(node, 3);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
    }
  };
  await Promise.all([busy(one), busy(two), busy(three)]);
  for (const events of heard) await reaches(events, 540, 5_000);
  expect(heard.every(inOrder)).toBe(true);
  await isCarriedWhole(5_000);
});

it("loses and repeats nothing when connections are cut at any moment", async () => {
  const proxies = [await chaosProxy(nats.url), await chaosProxy(nats.url)];
  const [one, two] = await Promise.all(proxies.map((proxy) => startNode({ url: proxy.through(nats.url) })));
  const heard = [follow(one!), follow(two!)];
  let done = false;
  const cutter = async (proxy: ChaosProxy) => {
    while (!done) {
      await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 500));
      proxy.reset();
    }
  };
  const cutting = proxies.map(cutter);
  for (let n = 0; n < 70; n++) {
    await write(n % 2 ? one! : two!, 40);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  done = true;
  await Promise.all(cutting);
  for (const events of heard) await reaches(events, 2_800, 5_000);
  expect(heard.every(inOrder)).toBe(true);
  await isCarriedWhole(10_000);
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  for (const proxy of proxies) await proxy.stop();
});

it("completes what a node has numbered that died before it carried it", async () => {
  const node = await startNode();
  const heard = follow(node);
  await write(node, 5);
  await isCarriedWhole(5_000);
  await observer`insert into backstay.outbox (id, topics, type, data, created_at)
    values (${randomUUID()}, array[${TOPIC}], 'test.orphan', '{}', now())`;
  await observer.unsafe(MOVE_BATCH);
  await reaches(heard, 6, 3_000);
  await expect.poll(async () => (await idsOfStream()).length, { timeout: 8_000 }).toBe(6);
  await isCarriedWhole(1_000);
});

it("goes on after a restart of NATS that keeps its store", async () => {
  const node = await startNode();
  await write(node, 10);
  await isCarriedWhole(5_000);
  await nats.kill9();
  await nats.start();
  await write(node, 10);
  await isCarriedWhole(5_000);
  const begun = await startNode();
  await write(begun, 10);
  await isCarriedWhole(5_000);
});

it("tells of an event that NATS takes no message of, so that others read it from the log", async () => {
  const [writer, reader] = [await startNode(), await startNode()];
  const heard = follow(reader);
  const text = JSON.stringify({ text: "\u{1f41f}".repeat(300_000) });
  await write(writer, 1);
  await write(writer, 1, { text });
  await write(writer, 1);
  await reaches(heard, 3, 5_000);
  expect(JSON.parse(heard[1]!.data)).toEqual(JSON.parse(text));
  await isCarriedWhole(5_000);
  expect(JSON.parse((await readStream(nats.url, STREAM))[1]!.data)).toMatchObject({ id: heard[1]!.id, data: null });
});

it("begins anew behind another epoch's events, which no stream is shown", async () => {
  const before = await startNode();
  await write(before, 3);
  await isCarriedWhole(5_000);
  await before.stop();
  await observer`update backstay.event_log set epoch = 'f00df00df00df00d'`;
  const node = await startNode();
  nodes.splice(0, 1);
  const heard = follow(node);
  await write(node, 2);
  await reaches(heard, 2, 5_000);
  await expect
    .poll(async () => (await idsOfStream()).slice(3), { timeout: 5_000 })
    .toEqual([1, 2, 3, 4, 5].map((offset) => `f00df00df00df00d.${offset}`));
});

it("changes the stream's settings when its own are others", async () => {
  await isConnected(await startNode({ retention: 60_000 }));
  expect(await streamConfig()).toMatchObject({
    retention: "limits",
    storage: "file",
    discard: "old",
    max_age: 60e9,
    max_bytes: 1 << 28,
    duplicate_window: 60e9,
  });
  await isConnected(await startNode({ retention: 3_600_000 }));
  expect(await streamConfig()).toMatchObject({ max_age: 3_600e9, duplicate_window: 120e9 });
});

it("leaves the number of replicas to the operator", async () => {
  const cluster = await startNatsCluster();
  onTestFinished(() => cluster.stop());
  const terms = { url: cluster.url, retention: 60_000 };
  const configOf = async () => (await withStreams(cluster.url, (streams) => streams.info(STREAM))).config;
  const first = await startNode(terms);
  await expect.poll(() => first.carrier.isConnected(), { timeout: 15_000 }).toBe(true);
  expect(await configOf()).toMatchObject({ num_replicas: 1, max_age: 60e9 });
  await withStreams(cluster.url, (streams) => streams.update(STREAM, { num_replicas: 3 }));
  const second = await startNode({ ...terms, retention: 3_600_000 });
  await expect.poll(() => second.carrier.isConnected(), { timeout: 15_000 }).toBe(true);
  expect(await configOf()).toMatchObject({ num_replicas: 3, max_age: 3_600e9 });
}, 60_000);

it("leaves the stream of another installation alone, and says so once", async () => {
  const first = await startNode();
  await write(first, 1);
  await isCarriedWhole(5_000);
  const second = await startNode({ installation: "fedcba9876543210" });
  const says = expect.objectContaining({ prefix: "test", message: expect.stringContaining("nats.prefix") });
  await expect.poll(() => second.complaints, { timeout: 3_000 }).toEqual([says]);
  expect(second.carrier.isConnected()).toBe(false);
  await write(second, 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(second.complaints).toEqual([says]);
  expect((await streamConfig()).description).toContain("0123456789abcdef");
});

it("tries a new connection at once, however long it was to wait over the old one", async () => {
  const first = await startNode();
  await write(first, 1);
  await isCarriedWhole(5_000);
  await first.stop();
  const node = await startNode({ installation: "fedcba9876543210" });
  nodes.splice(0, 1);
  // It looks again in half a minute whether the other's stream is gone.
  await expect.poll(() => node.complaints, { timeout: 3_000 }).toHaveLength(1);
  await nats.kill9();
  await nats.wipe();
  await nats.start();
  await write(node, 1);
  await isCarriedWhole(8_000);
});

it("says once why NATS takes no events, which are found by looking, and goes on when it does", async () => {
  await withStreams(nats.url, (streams) => streams.add({ name: "FOREIGN", subjects: ["test.events.>"] }));
  const [one, two] = [await startNode(), await startNode()];
  const heard = follow(two);
  await write(one, 5);
  await reaches(heard, 5, 3_000);
  const says = expect.objectContaining({ message: expect.stringContaining("takes no events") });
  await expect.poll(() => one.complaints, { timeout: 5_000 }).toEqual([says]);
  expect(one.carrier.isConnected()).toBe(false);
  await withStreams(nats.url, (streams) => streams.delete("FOREIGN"));
  await isCarriedWhole(8_000);
  expect(one.complaints).toEqual([says]);
});

it("makes a stream again that somebody has deleted", async () => {
  const node = await startNode();
  await write(node, 5);
  await isCarriedWhole(5_000);
  await withStreams(nats.url, (streams) => streams.delete(STREAM));
  await write(node, 5);
  await isCarriedWhole(5_000);
});

describe("a topic that is erased", () => {
  const GONE = "account/gone";
  const topicsOfStream = async () => (await readStream(nats.url, STREAM)).map(({ subject }) => subject);

  it("is kept on NATS no longer, and the others are", async () => {
    const node = await startNode();
    for (const topic of [TOPIC, GONE, "account/gone2", GONE, TOPIC]) await write(node, 2, { topic });
    await isCarriedWhole(5_000);
    await erase(node, GONE);
    expect(await topicsOfStream()).toEqual([
      ...Array(2).fill("test.events.account.ada.test.add"),
      ...Array(2).fill("test.events.account.gone2.test.add"),
      ...Array(2).fill("test.events.account.ada.test.add"),
    ]);
    expect(node.complaints).toEqual([]);
  });

  it.each([
    ["goes on", async () => {}],
    [
      "comes back",
      async () => {
        await nats.kill9();
        await nats.start();
      },
    ],
  ])(
    "may be the newest there is: the stream that %s behind it is whole, in order and without repeats",
    async (_, happens) => {
      const [one, two] = [await startNode(), await startNode()];
      const heard = follow(two);
      await write(one, 5);
      await write(one, 5, { topic: GONE });
      await isCarriedWhole(5_000);
      await erase(two, GONE);
      await happens();
      for (const node of [two, one, two]) {
        await write(node, 5);
        await isCarriedWhole(8_000);
      }
      // Nor does a node repeat anything that looks for the first time.
      const begun = await startNode();
      await write(begun, 5);
      await isCarriedWhole(8_000);
      expect(await idsOfStream()).toHaveLength(25);
      await reaches(heard, 25, 5_000);
      expect(heard.map(({ offset }) => offset)).toEqual([...heard.map(({ offset }) => offset)].sort((a, b) => a - b));
    },
  );

  it("may be all there is", async () => {
    const node = await startNode();
    await write(node, 5, { topic: GONE });
    await isCarriedWhole(5_000);
    await erase(node, GONE);
    expect(await idsOfStream()).toEqual([]);
    await write(node, 5);
    await isCarriedWhole(5_000);
    const begun = await startNode();
    await write(begun, 5);
    await isCarriedWhole(5_000);
    expect(await idsOfStream()).toHaveLength(10);
  });

  it("while NATS is away stays there: that is refused, and done when it is back", async () => {
    const node = await startNode();
    await write(node, 1, { topic: GONE });
    await isCarriedWhole(5_000);
    await nats.kill9();
    await expect.poll(() => node.carrier.isConnected()).toBe(false);
    await expect(erase(node, GONE)).rejects.toThrow("NATS is away");
    await nats.start();
    await expect.poll(() => node.carrier.isConnected(), { timeout: 8_000 }).toBe(true);
    await erase(node, GONE);
    expect(await topicsOfStream()).toEqual([]);
  });

  it("is gone for good only when what a slow node has yet to carry of it cannot come any more", async () => {
    const proxy = await chaosProxy(nats.url);
    onTestFinished(() => proxy.stop());
    const [slow, quick] = [await startNode({ url: proxy.through(nats.url) }), await startNode()];
    await write(quick, 1);
    await isCarriedWhole(5_000);
    // The slow node numbers events, and holds them.
    await proxy.cut();
    await expect.poll(() => slow.carrier.isConnected()).toBe(false);
    const [numbered] = await slow.database.batch<{ logOffset: bigint }>(
      `insert into backstay.outbox (id, topics, type, data, created_at)
         values (gen_random_uuid(), '{${GONE}}', 'test.add', '{}', now()); ${MOVE_BATCH}`,
    );
    slow.carrier.carry([
      {
        offset: Number(numbered?.logOffset),
        topic: GONE,
        id: "a",
        type: "test.add",
        actorId: null,
        data: "{}",
        time: 0,
      },
    ]);
    await expect(erase(quick, GONE)).rejects.toThrow("NATS does not have all events yet");
    // As an erasure that is tried again says something itself.
    await write(quick, 1);
    await expect.poll(() => erase(quick, GONE).then(() => "erased"), { timeout: 10_000 }).toBe("erased");
    await proxy.mend();
    await expect.poll(() => slow.carrier.isConnected(), { timeout: 8_000 }).toBe(true);
    await write(slow, 1);
    await isCarriedWhole(8_000);
    expect(await topicsOfStream()).toEqual(Array(3).fill("test.events.account.ada.test.add"));
  });
});
