import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { describe, inject, it, type TestContext, vi } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import type { Database } from "../../server/platform/db/index.js";
import { eraseTopic, type LoggedEvent } from "../../server/platform/events/index.js";
import { MOVE_BATCH } from "../../server/platform/events/store.js";
import { readStream, startNats, startNatsCluster, type TestNats, withStreams } from "../support/nats.js";
import { createDatabaseOn } from "../support/postgres.js";
import "../support/provided.js";
import { type ChaosProxy, chaosProxy } from "./chaos-proxy.js";
import { type NatsTerms, startEventNode } from "./event-nodes.js";

type Node = Awaited<ReturnType<typeof startEventNode>>;

vi.setConfig({ testTimeout: 60_000 });

const TOPIC = "account/ada";
const STREAM = "TEST_EVENTS";

/** A NATS and a database of the test's own: the tests run side by side. */
async function openHouse({ expect, onTestFinished }: TestContext) {
  const nats = await startNats();
  onTestFinished(() => nats.stop());
  const data = await createDatabaseOn(inject("postgres18"), inject("template"));
  onTestFinished(() => data.drop());
  const observer = postgres(data.url, { max: 4, onnotice: () => {} });
  onTestFinished(() => observer.end({ timeout: 1 }));
  const nodes: Node[] = [];
  onTestFinished(async () => void (await Promise.all(nodes.map((node) => node.stop()))));

  async function startNode(terms: Partial<NatsTerms> = {}, over?: (database: Database) => Database): Promise<Node> {
    const node = await startEventNode(data.url, { url: nats.url, prefix: "test", ...terms }, over);
    nodes.push(node);
    return node;
  }

  /** Commits events as writers on one node do, and wakes its relay. */
  async function write(
    node: Node,
    count: number,
    { type = "test.add", text = "{}", topic = TOPIC } = {},
  ): Promise<void> {
    await observer`insert into backstay.outbox (id, topics, type, data, created_at)
      select gen_random_uuid(), array[${topic}], ${type}, ${text}::text::jsonb, now() from generate_series(1, ${count})`;
    node.log.wake();
  }

  const idsOfLog = async () =>
    (
      await observer`select epoch || '.' || log_offset as id from backstay.events, backstay.event_log order by log_offset`
    ).map(({ id }) => id as string);
  const idsOfStream = async () => (await readStream(nats.url, STREAM)).map(({ id }) => id);
  const topicsOfStream = async () => (await readStream(nats.url, STREAM)).map(({ subject }) => subject);
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
    for (const { log } of nodes) await expect.poll(() => log.lag().uncarried, { timeout: 15_000 }).toBe(0);
  }

  const reaches = (heard: unknown[], count: number, timeout: number) =>
    expect.poll(() => heard.length, { timeout, interval: 5 }).toBe(count);
  const isConnected = (node: Node) => expect.poll(() => node.carrier.isConnected(), { timeout: 10_000 }).toBe(true);
  return {
    nats,
    observer,
    nodes,
    startNode,
    write,
    idsOfLog,
    idsOfStream,
    topicsOfStream,
    streamConfig,
    isCarriedWhole,
    reaches,
    isConnected,
  };
}

function follow(node: Node, topic = TOPIC): LoggedEvent[] {
  const heard: LoggedEvent[] = [];
  node.log.subscribe(topic, (event) => heard.push(event));
  return heard;
}

/** Erases a topic, as the deletion of its account does. */
async function erase(node: Node, topic: string): Promise<void> {
  await eraseTopic({ db: node.database }, { topic });
  await node.log.forget(topic);
}

const inOrder = (heard: LoggedEvent[]) =>
  heard.every(({ offset }, n) => n === 0 || offset === heard[n - 1]!.offset + 1);

// What these two wait for has its time: nothing runs beside them.
it("is found by looking within 3 seconds while NATS is away", async (test) => {
  const { expect } = test;
  const { nats, startNode, write, reaches } = await openHouse(test);
  const [writer, reader] = [await startNode(), await startNode()];
  const heard = follow(reader);
  await nats.kill9();
  await write(writer, 10);
  await reaches(heard, 10, 3_000);
  await expect.poll(() => writer.log.lag().uncarried, { timeout: 10_000 }).toBe(10);
  expect(writer.log.lag().uncarriedMs).toBeGreaterThan(0);
  expect(writer.carrier.isConnected()).toBe(false);
});

it("is carried whole and in order after an outage, also what did not fit into memory", async (test) => {
  const { expect } = test;
  const { nats, startNode, write, isCarriedWhole, reaches } = await openHouse(test);
  const [one, two] = [await startNode(), await startNode()];
  const heard = [follow(one), follow(two)];
  await write(one, 100);
  await isCarriedWhole(10_000);
  await nats.kill9();
  for (let n = 0; n < 10; n++) await write(n % 2 ? one : two, 700);
  for (const events of heard) await reaches(events, 7_100, 8_000);
  await nats.start();
  await isCarriedWhole(10_000);
  expect(heard.every(inOrder)).toBe(true);
  const [away, ...late] = one.complaints as { message: string; ms?: number }[];
  expect(away?.message).toMatch(/^NATS is away/);
  // That events come late is warned of only if it lasted.
  for (const { message, ms } of late) {
    expect(message).toMatch(/late/);
    expect(ms).toBeGreaterThan(5_000);
  }
});

it.concurrent("brings what one node numbers to the streams of another, which need not look", async (test) => {
  const { expect } = test;
  const { observer, startNode, write, reaches, isConnected } = await openHouse(test);
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
  await reaches(heard, 1_000, 10_000);
  expect(inOrder(heard)).toBe(true);
  const rows =
    await observer`select replace(id::text, '-', '') as id, topic, type, data::text as data from backstay.events order by log_offset`;
  expect(heard.map(({ id, topic, type, data }) => ({ id, topic, type, data }))).toEqual([...rows]);
});

it.concurrent("has them on NATS by topic and type, whatever these are called", async (test) => {
  const { expect } = test;
  const { nats, startNode, write, isCarriedWhole } = await openHouse(test);
  const node = await startNode();
  await write(node, 1, { topic: "room/1.5 *", type: "chat.message_add" });
  await isCarriedWhole(10_000);
  const [stored] = await readStream(nats.url, STREAM);
  expect(stored!.subject).toBe("test.events.room.1%002e5%0020%002a.chat.message_add");
  expect(JSON.parse(stored!.data)).toMatchObject({ topic: "room/1.5 *", type: "chat.message_add", data: "{}" });
});

it.concurrent("makes a stream that was wiped again, from the oldest event the log keeps", async (test) => {
  const { expect } = test;
  const { nats, observer, startNode, write, idsOfLog, isCarriedWhole, reaches } = await openHouse(test);
  const [one, two] = [await startNode(), await startNode()];
  const heard = follow(two);
  await write(one, 3_000);
  await reaches(heard, 3_000, 10_000);
  await observer`delete from backstay.events where log_offset <= 1000`;
  await nats.kill9();
  await nats.wipe();
  await nats.start();
  for (let n = 0; n < 10; n++) await write(n % 2 ? one : two, 10);
  await isCarriedWhole(10_000);
  expect(await idsOfLog()).toHaveLength(2_100);
  await reaches(heard, 3_100, 10_000);
  expect(inOrder(heard)).toBe(true);
});

it.concurrent("keeps one order when several nodes carry at once", async (test) => {
  const { expect } = test;
  const { startNode, write, isCarriedWhole, reaches } = await openHouse(test);
  const [one, two, three] = [await startNode(), await startNode(), await startNode()];
  const heard = [one, two, three].map((node) => follow(node));
  const busy = async (node: Node) => {
    for (let n = 0; n < 60; n++) {
      await write(node, 3);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
    }
  };
  await Promise.all([busy(one), busy(two), busy(three)]);
  for (const events of heard) await reaches(events, 540, 10_000);
  expect(heard.every(inOrder)).toBe(true);
  await isCarriedWhole(10_000);
});

it.concurrent("loses and repeats nothing when connections are cut at any moment", async (test) => {
  const { expect } = test;
  const { nats, nodes, startNode, write, isCarriedWhole, reaches } = await openHouse(test);
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
  for (const events of heard) await reaches(events, 2_800, 10_000);
  expect(heard.every(inOrder)).toBe(true);
  await isCarriedWhole(10_000);
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  for (const proxy of proxies) await proxy.stop();
});

it.concurrent("completes what a node has numbered that died before it carried it", async (test) => {
  const { expect } = test;
  const { observer, startNode, write, idsOfStream, isCarriedWhole, reaches } = await openHouse(test);
  const node = await startNode();
  const heard = follow(node);
  await write(node, 5);
  await isCarriedWhole(10_000);
  await observer`insert into backstay.outbox (id, topics, type, data, created_at)
    values (${randomUUID()}, array[${TOPIC}], 'test.orphan', '{}', now())`;
  await observer.unsafe(MOVE_BATCH);
  await reaches(heard, 6, 3_000);
  await expect.poll(async () => (await idsOfStream()).length, { timeout: 15_000 }).toBe(6);
  await isCarriedWhole(5_000);
});

it.concurrent("goes on after a restart of NATS that keeps its store", async (test) => {
  const { nats, startNode, write, isCarriedWhole } = await openHouse(test);
  const node = await startNode();
  await write(node, 10);
  await isCarriedWhole(10_000);
  await nats.kill9();
  await nats.start();
  await write(node, 10);
  await isCarriedWhole(10_000);
  const begun = await startNode();
  await write(begun, 10);
  await isCarriedWhole(10_000);
});

it.concurrent("tells of an event that NATS takes no message of, so that others read it from the log", async (test) => {
  const { expect } = test;
  const { nats, startNode, write, isCarriedWhole, reaches } = await openHouse(test);
  const [writer, reader] = [await startNode(), await startNode()];
  const heard = follow(reader);
  const text = JSON.stringify({ text: "\u{1f41f}".repeat(300_000) });
  await write(writer, 1);
  await write(writer, 1, { text });
  await write(writer, 1);
  await reaches(heard, 3, 10_000);
  expect(JSON.parse(heard[1]!.data)).toEqual(JSON.parse(text));
  await isCarriedWhole(10_000);
  expect(JSON.parse((await readStream(nats.url, STREAM))[1]!.data)).toMatchObject({ id: heard[1]!.id, data: null });
});

it.concurrent("begins anew behind another epoch's events, which no stream is shown", async (test) => {
  const { expect } = test;
  const { observer, nodes, startNode, write, idsOfStream, isCarriedWhole, reaches } = await openHouse(test);
  const before = await startNode();
  await write(before, 3);
  await isCarriedWhole(10_000);
  await before.stop();
  await observer`update backstay.event_log set epoch = 'f00df00df00df00d'`;
  const node = await startNode();
  nodes.splice(0, 1);
  const heard = follow(node);
  await write(node, 2);
  await reaches(heard, 2, 10_000);
  await expect
    .poll(async () => (await idsOfStream()).slice(3), { timeout: 10_000 })
    .toEqual([1, 2, 3, 4, 5].map((offset) => `f00df00df00df00d.${offset}`));
});

it.concurrent("changes the stream's settings when its own are others", async (test) => {
  const { expect } = test;
  const { startNode, streamConfig, isConnected } = await openHouse(test);
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

it.concurrent("leaves the number of replicas to the operator", async (test) => {
  const { expect, onTestFinished } = test;
  const cluster = await startNatsCluster();
  onTestFinished(() => cluster.stop());
  const { startNode } = await openHouse(test);
  const terms = { url: cluster.url, retention: 60_000 };
  const configOf = async () => (await withStreams(cluster.url, (streams) => streams.info(STREAM))).config;
  const first = await startNode(terms);
  await expect.poll(() => first.carrier.isConnected(), { timeout: 15_000 }).toBe(true);
  expect(await configOf()).toMatchObject({ num_replicas: 1, max_age: 60e9 });
  await withStreams(cluster.url, (streams) => streams.update(STREAM, { num_replicas: 3 }));
  const second = await startNode({ ...terms, retention: 3_600_000 });
  await expect.poll(() => second.carrier.isConnected(), { timeout: 15_000 }).toBe(true);
  expect(await configOf()).toMatchObject({ num_replicas: 3, max_age: 3_600e9 });
});

it.concurrent("leaves the stream of another installation alone, and says so once", async (test) => {
  const { expect } = test;
  const { startNode, write, streamConfig, isCarriedWhole } = await openHouse(test);
  const first = await startNode();
  await write(first, 1);
  await isCarriedWhole(10_000);
  const second = await startNode({ installation: "fedcba9876543210" });
  const says = expect.objectContaining({ prefix: "test", message: expect.stringContaining("nats.prefix") });
  await expect.poll(() => second.complaints, { timeout: 10_000 }).toEqual([says]);
  expect(second.carrier.isConnected()).toBe(false);
  await write(second, 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(second.complaints).toEqual([says]);
  expect((await streamConfig()).description).toContain("0123456789abcdef");
});

it.concurrent("tries a new connection at once, however long it was to wait over the old one", async (test) => {
  const { expect } = test;
  const { nats, nodes, startNode, write, isCarriedWhole } = await openHouse(test);
  const first = await startNode();
  await write(first, 1);
  await isCarriedWhole(10_000);
  await first.stop();
  const node = await startNode({ installation: "fedcba9876543210" });
  nodes.splice(0, 1);
  // It looks again in half a minute whether the other's stream is gone.
  await expect.poll(() => node.complaints, { timeout: 10_000 }).toHaveLength(1);
  await nats.kill9();
  await nats.wipe();
  await nats.start();
  await write(node, 1);
  await isCarriedWhole(15_000);
});

it.concurrent("says once why NATS takes no events, which are found by looking, and goes on when it does", async (test) => {
  const { expect } = test;
  const { nats, startNode, write, isCarriedWhole, reaches } = await openHouse(test);
  await withStreams(nats.url, (streams) => streams.add({ name: "FOREIGN", subjects: ["test.events.>"] }));
  const [one, two] = [await startNode(), await startNode()];
  const heard = follow(two);
  await write(one, 5);
  await reaches(heard, 5, 3_000);
  const says = expect.objectContaining({ message: expect.stringContaining("takes no events") });
  await expect.poll(() => one.complaints, { timeout: 10_000 }).toEqual([says]);
  expect(one.carrier.isConnected()).toBe(false);
  await withStreams(nats.url, (streams) => streams.delete("FOREIGN"));
  await isCarriedWhole(15_000);
  expect(one.complaints).toEqual([says]);
});

it.concurrent("makes a stream again that somebody has deleted", async (test) => {
  const { nats, startNode, write, isCarriedWhole } = await openHouse(test);
  const node = await startNode();
  await write(node, 5);
  await isCarriedWhole(10_000);
  await withStreams(nats.url, (streams) => streams.delete(STREAM));
  await write(node, 5);
  await isCarriedWhole(10_000);
});

describe.concurrent("a topic that is erased", () => {
  const GONE = "account/gone";
  it("is kept on NATS no longer, and the others are", async (test) => {
    const { expect } = test;
    const { startNode, write, topicsOfStream, isCarriedWhole } = await openHouse(test);
    const node = await startNode();
    for (const topic of [TOPIC, GONE, "account/gone2", GONE, TOPIC]) await write(node, 2, { topic });
    await isCarriedWhole(10_000);
    await erase(node, GONE);
    expect(await topicsOfStream()).toEqual([
      ...Array(2).fill("test.events.account.ada.test.add"),
      ...Array(2).fill("test.events.account.gone2.test.add"),
      ...Array(2).fill("test.events.account.ada.test.add"),
    ]);
    expect(node.complaints).toEqual([]);
  });

  it.for([
    ["goes on", async () => {}],
    [
      "comes back",
      async (nats: TestNats) => {
        await nats.kill9();
        await nats.start();
      },
    ],
  ] as const)(
    "may be the newest there is: the stream that %s behind it is whole, in order and without repeats",
    async ([_, happens], test) => {
      const { expect } = test;
      const { nats, startNode, write, idsOfStream, isCarriedWhole, reaches } = await openHouse(test);
      const [one, two] = [await startNode(), await startNode()];
      const heard = follow(two);
      await write(one, 5);
      await write(one, 5, { topic: GONE });
      await isCarriedWhole(10_000);
      await erase(two, GONE);
      await happens(nats);
      for (const node of [two, one, two]) {
        await write(node, 5);
        await isCarriedWhole(15_000);
      }
      // Nor does a node repeat anything that looks for the first time.
      const begun = await startNode();
      await write(begun, 5);
      await isCarriedWhole(15_000);
      expect(await idsOfStream()).toHaveLength(25);
      await reaches(heard, 25, 10_000);
      expect(heard.map(({ offset }) => offset)).toEqual([...heard.map(({ offset }) => offset)].sort((a, b) => a - b));
    },
  );

  it("may be all there is", async (test) => {
    const { expect } = test;
    const { startNode, write, idsOfStream, isCarriedWhole } = await openHouse(test);
    const node = await startNode();
    await write(node, 5, { topic: GONE });
    await isCarriedWhole(10_000);
    await erase(node, GONE);
    expect(await idsOfStream()).toEqual([]);
    await write(node, 5);
    await isCarriedWhole(10_000);
    const begun = await startNode();
    await write(begun, 5);
    await isCarriedWhole(10_000);
    expect(await idsOfStream()).toHaveLength(10);
  });

  it("while NATS is away stays there: that is refused, and done when it is back", async (test) => {
    const { expect } = test;
    const { nats, startNode, write, topicsOfStream, isCarriedWhole } = await openHouse(test);
    const node = await startNode();
    await write(node, 1, { topic: GONE });
    await isCarriedWhole(10_000);
    await nats.kill9();
    await expect.poll(() => node.carrier.isConnected(), { timeout: 5_000 }).toBe(false);
    await expect(erase(node, GONE)).rejects.toThrow("NATS is away");
    await nats.start();
    await expect.poll(() => node.carrier.isConnected(), { timeout: 15_000 }).toBe(true);
    await erase(node, GONE);
    expect(await topicsOfStream()).toEqual([]);
  });

  it("is gone for good only when what a slow node has yet to carry of it cannot come any more", async (test) => {
    const { expect, onTestFinished } = test;
    const { nats, nodes, startNode, write, topicsOfStream, isCarriedWhole } = await openHouse(test);
    const proxy = await chaosProxy(nats.url);
    onTestFinished(async () => {
      await Promise.all(nodes.splice(0).map((node) => node.stop()));
      await proxy.stop();
    });
    const [slow, quick] = [await startNode({ url: proxy.through(nats.url) }), await startNode()];
    await write(quick, 1);
    await isCarriedWhole(10_000);
    // The slow node numbers events, and holds them.
    await proxy.cut();
    await expect.poll(() => slow.carrier.isConnected(), { timeout: 5_000 }).toBe(false);
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
    await expect.poll(() => slow.carrier.isConnected(), { timeout: 15_000 }).toBe(true);
    await write(slow, 1);
    await isCarriedWhole(15_000);
    expect(await topicsOfStream()).toEqual(Array(3).fill("test.events.account.ada.test.add"));
  });
});
