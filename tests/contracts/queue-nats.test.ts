import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, type TestContext, vi } from "vitest";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { migrate } from "../../server/platform/db/migrate.js";
import { natsLink } from "../../server/platform/nats.js";
import { natsQueue } from "../../server/platform/queue/nats.js";
import { readStream, startNats, type TestNats } from "../support/nats.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";
import { type ChaosProxy, chaosProxy } from "./chaos-proxy.js";
import { exerciseQueue } from "./exercise-queue.js";
import { type OpenQueue, type QueueNode, type QueueNodeTerms, startQueueNode } from "./queue-nodes.js";

// Beside others' tests each takes longer than alone.
vi.setConfig({ testTimeout: 60_000 });

/** A node's queue, with a connection to NATS of its own; `url` is asked for when a node is started. */
function openQueueOn(url: () => string, prefix: string): OpenQueue {
  return async ({ log }) => {
    const link = natsLink({ urls: [url()], log });
    const queue = natsQueue({ link, log, prefix, installation: "0123456789abcdef" });
    await link.start();
    return { queue, close: () => link.stop() };
  };
}

// Both side by side, each with a server of its own; in each of them one test after the other.
describe.concurrent("the queue over NATS", () => {
  let nats: TestNats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats?.stop());

  describe.sequential("with its workers", () =>
    exerciseQueue(
      async () => {
        const { url, drop } = await createDatabaseOn(inject("postgres18"));
        await migrate({ url });
        return { url, close: drop };
      },
      openQueueOn(() => nats.url, "contract"),
    ));
});

describe.concurrent("two nodes that share NATS", () => {
  let nats: TestNats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats?.stop());

  describe.sequential("and its failures", () => {
    const PREFIX = "faults";
    const STREAM = "FAULTS_JOBS";
    let data: TestDatabase;
    let observer: postgres.Sql;
    let nodes: QueueNode[] = [];
    /** The jobs that were done, by node, as often as they were. */
    let done: string[][] = [];
    /** The jobs that were submitted. */
    let submitted: string[] = [];
    let test: TestContext;

    beforeAll(async () => {
      data = await createDatabaseOn(inject("postgres18"), inject("template"));
      observer = postgres(data.url, { max: 2, onnotice: () => {} });
    });
    beforeEach(async (context) => {
      test = context;
      await nats.kill9();
      await nats.wipe();
      await nats.start();
      await observer`truncate backstay.jobs, backstay.job_queues, backstay.job_workers`;
      await observer`insert into backstay.job_queues (name) values ('default')`;
      [nodes, done, submitted] = [[], [], []];
    });
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    });
    afterAll(async () => {
      await observer?.end({ timeout: 1 });
      await data?.drop();
    });

    const startNodes = async (urls: string[] = [nats.url, nats.url], terms: Partial<QueueNodeTerms> = {}) => {
      const bus = memoryBus(() => {});
      for (const url of urls) {
        const own: string[] = [];
        const run = (args: object) => void own.push((args as { id: string }).id);
        const openQueue = openQueueOn(() => url, PREFIX);
        done.push(own);
        nodes.push(
          await startQueueNode({ url: data.url, bus, openQueue, jobs: [{ name: "test.count", run }], ...terms }),
        );
      }
      for (const node of nodes) await isConnected(node);
      return nodes as [QueueNode, QueueNode];
    };
    const isConnected = (node: QueueNode, expected = true) =>
      test.expect.poll(() => node.queue.isConnected(), { timeout: 8_000 }).toBe(expected);

    /** Submits jobs on a node, all in one transaction. */
    const submit = async (node: QueueNode, count: number) => {
      const effects: (() => void)[] = [];
      const jobs = Array.from({ length: count }, () => ({ name: "test.count", args: { id: randomUUID() } }));
      await node.database.transaction(async (db) => {
        await node.submit({ db, afterCommit: (effect) => void effects.push(effect) }, jobs);
      });
      submitted.push(...jobs.map(({ args }) => args.id));
      for (const effect of effects) effect();
    };

    const allDone = async (timeout: number) => {
      await test.expect
        .poll(() => done.flat().length, { timeout, interval: 20 })
        .toBeGreaterThanOrEqual(submitted.length);
      expect(done.flat().sort()).toEqual([...submitted].sort());
      const states = async () =>
        (await observer`select state, count(*)::int from backstay.jobs group by state`).map((row) => ({ ...row }));
      await test.expect.poll(states).toEqual([{ state: 4, count: submitted.length }]);
    };
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

    /** Submits some on each node for as long as something happens. */
    const submitWhile = async (happens: () => Promise<void>) => {
      let happened = false;
      const happening = happens().finally(() => {
        happened = true;
      });
      for (let n = 0; !happened; n++) {
        await submit(nodes[n % 2]!, 5);
        await pause(20);
      }
      await happening;
    };

    it("each do a part of 5,000 jobs, and none twice", async () => {
      const [one] = await startNodes();
      for (let n = 0; n < 10; n++) await submit(one, 500);
      await allDone(30_000);
      for (const own of done) expect(own.length).toBeGreaterThan(500);
      // What one found by looking had a message too, which nobody needs any more.
      await test.expect.poll(() => readStream(nats.url, STREAM), { timeout: 10_000 }).toEqual([]);
    }, 60_000);

    it("do what is submitted while NATS is stopped within 10 seconds, and go on when it is back", async () => {
      const [one, two] = await startNodes();
      await nats.kill9();
      for (let n = 0; n < 50; n++) await submit(n % 2 ? one : two, 10);
      await allDone(10_000);
      await nats.start();
      await submitWhile(async () => {
        for (const node of [one, two]) await isConnected(node);
      });
      await allDone(10_000);
    });

    it("do what is submitted while NATS loses all it has within 10 seconds", async () => {
      await startNodes();
      await submitWhile(async () => {
        await pause(200);
        await nats.kill9();
        await nats.wipe();
        await nats.start();
        await pause(500);
      });
      await allDone(10_000);
    });

    describe("and are cut off", () => {
      let proxies: [ChaosProxy, ChaosProxy];
      beforeEach(async () => {
        const made = [await chaosProxy(nats.url), await chaosProxy(nats.url)] as [ChaosProxy, ChaosProxy];
        proxies = made;
        test.onTestFinished(async () => {
          for (const proxy of made) await proxy.stop();
        });
      });
      const startBehind = () => startNodes(proxies.map((proxy) => proxy.through(nats.url)));

      it("from it by a black hole, one or both, do within 10 seconds what is submitted meanwhile", async () => {
        const [one, two] = await startBehind();
        await submit(one, 50);
        proxies[0].stall();
        for (let n = 0; n < 20; n++) await submit(n % 2 ? one : two, 10);
        await allDone(10_000);
        proxies[1].stall();
        for (let n = 0; n < 20; n++) await submit(n % 2 ? one : two, 10);
        await allDone(10_000);
        for (const proxy of proxies) await proxy.mend();
        for (const node of [one, two]) await isConnected(node);
        await submit(one, 50);
        await allDone(10_000);
      });

      it("again and again, lose nothing and do nothing twice", async () => {
        await startBehind();
        await submitWhile(async () => {
          for (let n = 0; n < 12; n++) {
            const proxy = proxies[n % 2]!;
            if (n % 3 === 0) proxy.reset();
            else await proxy.cut();
            await pause(150);
            await proxy.mend();
            await pause(100);
          }
        });
        await allDone(10_000);
      });
    });
  });
});
