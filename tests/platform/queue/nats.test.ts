import { randomUUID } from "node:crypto";
import { connect } from "nats";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, onTestFinished } from "vitest";
import { natsLink } from "../../../server/platform/nats.js";
import { natsQueue } from "../../../server/platform/queue/nats.js";
import type { DueJob } from "../../../server/platform/queue/queue.js";
import { chaosProxy } from "../../contracts/chaos-proxy.js";
import { readStream, startNats, type TestNats, withStreams } from "../../support/nats.js";
import { createDatabaseOn, type TestDatabase } from "../../support/postgres.js";
import "../../support/provided.js";
import { startTableNode, type TableNode, type TableNodeTerms } from "./fixtures/table-node.js";

const STREAM = "TEST_JOBS";

let nats: TestNats;
let data: TestDatabase;
let sql: postgres.Sql;
const nodes: TableNode[] = [];
beforeAll(async () => {
  nats = await startNats();
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  sql = postgres(data.url, { max: 10, onnotice: () => {} });
});
beforeEach(async () => {
  await nats.kill9();
  await nats.wipe();
  await nats.start();
  await sql`truncate backstay.jobs`;
});
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});
afterAll(async () => {
  await sql?.end({ timeout: 1 });
  await data?.drop();
  await nats?.stop();
});

async function startNode(terms: Partial<TableNodeTerms> = {}): Promise<TableNode> {
  const node = await startTableNode({ sql, nats: nats.url, ...terms });
  nodes.push(node);
  return node;
}

/** Commits jobs that are due. */
async function submit(count: number, queue = "default"): Promise<DueJob[]> {
  return sql<
    DueJob[]
  >`insert into backstay.jobs (id, name, queue, args, due, priority, run_at, holds_key, max_attempts, created_at)
    select gen_random_uuid(), 'test.job', ${queue}, '{}', true, 0, now(), false, 5, now() from generate_series(1, ${count})
    returning id, queue, fence`;
}

/** Commits jobs and says so on a node, as whoever submits there does. */
async function offer(node: TableNode, count: number, queue?: string): Promise<void> {
  node.queue.offer(await submit(count, queue));
}

const done = () => nodes.flatMap((node) => node.done);
const doneTimes = () => done().length;
const allDone = async (count: number, timeout: number) => {
  await expect.poll(doneTimes, { timeout, interval: 10 }).toBe(count);
  expect(new Set(done()).size).toBe(count);
};
const isConnected = (node: TableNode, expected = true) =>
  expect.poll(() => node.queue.isConnected(), { timeout: 8_000, interval: 10 }).toBe(expected);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A promise for a job to wait for. */
function gate() {
  let open = () => {};
  const isOpen = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, isOpen };
}

async function consumer(queue = "default") {
  const connection = await connect({ servers: [nats.url] });
  try {
    return await (await connection.jetstreamManager()).consumers.info(STREAM, queue);
  } finally {
    await connection.close();
  }
}

it("brings what is offered on one node to another, by a message", async () => {
  const offering = await startNode({ queues: [] });
  await startNode({ blind: true });
  await offer(offering, 1);
  await allDone(1, 5_000);
  expect(await readStream(nats.url, STREAM)).toEqual([]);
});

it("brings what is offered by a node that takes no jobs, and whose queue is therefore never started", async () => {
  await startNode({ blind: true });
  const log = { debug() {}, info() {}, warn() {}, error() {}, flush() {} };
  const link = natsLink({ urls: [nats.url], log });
  const queue = natsQueue({ link, log, prefix: "test", installation: "0123456789abcdef" });
  onTestFinished(() => link.stop());
  await link.start();
  await expect.poll(() => queue.isConnected(), { timeout: 5_000 }).toBe(true);
  queue.offer(await submit(1));
  await allDone(1, 5_000);
});

it("shares a queue among nodes, each job to one of them", async () => {
  const sharing = [await startNode({ blind: true }), await startNode({ blind: true })];
  const offering = await startNode({ queues: [] });
  for (let n = 0; n < 40; n++) {
    await offer(offering, 5);
    await pause(5);
  }
  await allDone(200, 5_000);
  for (const node of sharing) expect(node.done.length).toBeGreaterThan(40);
});

it("takes jobs of several queues, no more at once than it has hands for", async () => {
  let running = 0;
  let most = 0;
  const run = async () => {
    most = Math.max(most, ++running);
    await pause(5);
    running--;
  };
  const node = await startNode({ size: 3, queues: ["mail", "images", "default"], run, blind: true });
  for (const queue of node.queues) await offer(node, 20, queue);
  await allDone(60, 8_000);
  expect(most).toBe(3);
  expect(Math.max(...node.looks.map((look) => look.most))).toBeLessThanOrEqual(3);
});

it("looks once for messages that arrive together", async () => {
  const node = await startNode({ size: 100, blind: true });
  await offer(node, 100);
  await allDone(100, 5_000);
  expect(node.looks.filter(({ took }) => took > 0).length).toBeLessThan(50);
});

it("gives back at once what comes while its hands are full, so that another node gets it", async () => {
  const { open, isOpen } = gate();
  const full = await startNode({ size: 1, queues: ["mail", "images"], run: () => isOpen, blind: true });
  await expect.poll(() => consumer("images").then(({ num_waiting }) => num_waiting)).toBe(1);
  full.queue.offer([...(await submit(1, "mail")), ...(await submit(1, "images"))]);
  await expect.poll(() => full.looks.filter(({ took }) => took === 1)).toHaveLength(1);
  const [took] = full.looks.filter(({ took }) => took === 1);
  const left = took?.queue === "mail" ? "images" : "mail";
  const other = await startNode({ size: 1, queues: [left], blind: true });
  await expect.poll(() => other.done, { timeout: 5_000 }).toHaveLength(1);
  open();
  await allDone(2, 5_000);
});

it("pulls from a queue that becomes known later", async () => {
  const node = await startNode({ blind: true });
  node.queues = ["default", "later"];
  await expect.poll(() => consumer("later").catch(() => undefined), { timeout: 10_000 }).toBeDefined();
  await offer(node, 3, "later");
  await allDone(3, 5_000);
});

it("brings a job that is offered again under the same fence, as one is that waited for another of its order key", async () => {
  const node = await startNode({ blind: true });
  const [job] = await submit(1);
  await sql`update backstay.jobs set due = false`;
  node.queue.offer([job!]);
  await expect.poll(() => node.looks.filter(({ queue }) => queue === "default")).toHaveLength(1);
  await sql`update backstay.jobs set due = true`;
  node.queue.offer([job!]);
  await allDone(1, 5_000);
});

it("is done with a message whose job was cancelled, or taken by somebody who looked", async () => {
  const node = await startNode({ size: 2 });
  await sql`truncate backstay.jobs`;
  node.queue.offer(Array.from({ length: 100 }, () => ({ id: randomUUID(), queue: "default", fence: 0 })));
  await expect.poll(async () => (await consumer()).delivered.stream_seq, { timeout: 5_000 }).toBe(100);
  await expect.poll(() => readStream(nats.url, STREAM), { timeout: 5_000 }).toEqual([]);
  await offer(node, 5);
  await allDone(5, 5_000);
  await expect.poll(consumer).toMatchObject({ num_ack_pending: 0, num_pending: 0 });
});

it("goes on with what a look had to leave when a hand for it comes free, which no message says", async () => {
  const node = await startNode({ size: 10, atOnce: 1 });
  await offer(node, 30);
  await allDone(30, 6_000);
  expect((await readStream(nats.url, STREAM)).length).toBe(0);
});

it("finds by looking what nobody told of", async () => {
  const node = await startNode();
  await isConnected(node);
  await pause(200);
  await submit(50);
  await allDone(50, 4_500);
});

it("has nothing under way when it is stopped, and others get what it had not looked for", async () => {
  const { open, isOpen } = gate();
  const leaving = await startNode({ size: 1, run: () => isOpen, blind: true });
  await offer(leaving, 3);
  await expect.poll(() => leaving.looks.some(({ took }) => took === 1)).toBe(true);
  await leaving.queue.stop();
  // What it gives back to others is offered after that.
  await offer(leaving, 1);
  // A message that it has given back counts as one that is to be answered until somebody else gets it; one that it had kept would come
  // too late for that.
  await expect.poll(consumer, { timeout: 10_000 }).toMatchObject({ num_waiting: 0 });
  await startNode({ blind: true });
  await expect.poll(doneTimes, { timeout: 5_000 }).toBe(3);
  open();
  await allDone(4, 1_000);
});

describe("while NATS is away", () => {
  it("takes at once what is offered here, and within a second what is offered elsewhere", async () => {
    const [here, elsewhere] = [await startNode(), await startNode({ queues: [] })];
    await nats.kill9();
    for (const node of [here, elsewhere]) await isConnected(node, false);
    const before = here.looks.length;
    await offer(here, 1);
    expect(here.looks.length).toBeGreaterThan(before);
    await allDone(1, 2_000);
    await offer(elsewhere, 30);
    await allDone(31, 2_000);
    await nats.start();
    for (const node of [here, elsewhere]) await isConnected(node);
    await offer(elsewhere, 30);
    await allDone(61, 5_000);
  });

  it("begins without it, and uses it when it comes", async () => {
    await nats.kill9();
    const node = await startNode();
    expect(node.queue.isConnected()).toBe(false);
    await offer(node, 3);
    await allDone(3, 2_000);
    await nats.start();
    await isConnected(node);
  });
});

describe("the stream", () => {
  const infoOf = () => withStreams(nats.url, (streams) => streams.info(STREAM));

  it("is a work queue that keeps messages for an hour, and of each queue so many", async () => {
    await isConnected(await startNode());
    expect((await infoOf()).config).toMatchObject({
      subjects: ["test.jobs.*"],
      retention: "workqueue",
      storage: "file",
      discard: "old",
      max_age: 3_600e9,
      max_msgs: 100_000,
      max_msgs_per_subject: 20_000,
    });
    expect((await consumer()).config).toMatchObject({
      filter_subject: "test.jobs.default",
      ack_policy: "explicit",
      ack_wait: 10e9,
    });
  });

  it("gets the settings it should have", async () => {
    await withStreams(nats.url, (streams) =>
      streams.add({
        name: STREAM,
        description: "Jobs of the Backstay installation 0123456789abcdef",
        subjects: ["test.jobs.*"],
        retention: "workqueue" as never,
        max_msgs: 5,
      }),
    );
    await isConnected(await startNode());
    expect((await infoOf()).config).toMatchObject({ max_msgs: 100_000, max_age: 3_600e9 });
  });

  it("is made again when NATS lost all it had", async () => {
    const sharing = [await startNode({ blind: true }), await startNode({ blind: true })];
    await offer(sharing[0]!, 10);
    await allDone(10, 5_000);
    await nats.kill9();
    await nats.wipe();
    await nats.start();
    for (const node of sharing) await isConnected(node);
    await offer(sharing[0]!, 10);
    await allDone(20, 5_000);
  });

  it.each([
    ["it", () => withStreams(nats.url, (streams) => streams.delete(STREAM))],
    [
      "a consumer of it",
      async () => {
        const connection = await connect({ servers: [nats.url] });
        await (await connection.jetstreamManager()).consumers.delete(STREAM, "default");
        await connection.close();
      },
    ],
  ])("is made again when somebody deletes %s", async (_, remove) => {
    const node = await startNode({ blind: true });
    await offer(node, 1);
    await allDone(1, 5_000);
    await remove();
    await expect.poll(() => consumer().catch(() => undefined), { timeout: 5_000 }).toBeDefined();
    await isConnected(node);
    await offer(node, 1);
    await allDone(2, 5_000);
    expect(node.complaints).toEqual([]);
  });

  it("is noticed to be gone also by a node that asks for nothing, but offers", async () => {
    const { open, isOpen } = gate();
    const busy = await startNode({ size: 1, run: () => isOpen });
    await offer(busy, 1);
    await expect.poll(() => busy.looks.some(({ took }) => took === 1)).toBe(true);
    await withStreams(nats.url, (streams) => streams.delete(STREAM));
    await offer(busy, 1);
    await expect.poll(() => consumer().catch(() => undefined), { timeout: 10_000 }).toBeDefined();
    open();
    await offer(busy, 1);
    await allDone(3, 10_000);
  });

  it("of another installation is left alone, which is said once, and jobs are found by looking", async () => {
    await startNode({ queues: [] });
    const second = await startNode({ installation: "fedcba9876543210" });
    const says = expect.objectContaining({ prefix: "test", message: expect.stringContaining("nats.prefix") });
    await expect.poll(() => second.complaints, { timeout: 10_000 }).toEqual([says]);
    expect(second.queue.isConnected()).toBe(false);
    await offer(second, 20);
    await allDone(20, 2_000);
    expect(await readStream(nats.url, STREAM)).toEqual([]);
    expect(second.complaints).toEqual([says]);
  });

  it("that NATS does not let it have is told of once, and had as soon as it does", async () => {
    await withStreams(nats.url, (streams) => streams.add({ name: "FOREIGN", subjects: ["test.jobs.>"] }));
    const node = await startNode();
    const says = expect.objectContaining({ message: expect.stringContaining("hands out no jobs") });
    await expect.poll(() => node.complaints, { timeout: 5_000 }).toEqual([says]);
    await offer(node, 20);
    await allDone(20, 2_000);
    await withStreams(nats.url, (streams) => streams.delete("FOREIGN"));
    await isConnected(node);
    expect(node.complaints).toEqual([says]);
  });
});

it("keeps no more than so many messages for a server that takes none", async () => {
  const proxy = await chaosProxy(nats.url);
  onTestFinished(() => proxy.stop());
  const node = await startNode({ nats: proxy.through(nats.url), queues: [] });
  await isConnected(node);
  const { outMsgs } = node.link.current()!.stats();
  proxy.stall();
  const job = { id: randomUUID(), queue: "default", fence: 0 };
  for (let n = 0; n < 500; n++) {
    node.queue.offer(Array.from({ length: 100 }, () => job));
    if (n % 50 === 0) await pause(10);
  }
  expect(node.link.current()!.stats().outMsgs - outMsgs).toBeLessThanOrEqual(10_010);
  await proxy.mend();
  await isConnected(node);
  // What was taken in the end does not count any more.
  const again = async () => {
    const before = node.link.current()!.stats().outMsgs;
    for (let n = 0; n < 100; n++) node.queue.offer([job]);
    return node.link.current()!.stats().outMsgs - before;
  };
  await expect.poll(again, { timeout: 8_000 }).toBeGreaterThanOrEqual(100);
});
