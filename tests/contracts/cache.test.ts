import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import type { NamedCache } from "../../server/kernel/named-cache.js";
import type { Bus } from "../../server/platform/bus/bus.js";
import { type Peer, shareNotices } from "../../server/platform/bus/ipc.js";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { natsBus } from "../../server/platform/bus/nats.js";
import type { CacheFactory } from "../../server/platform/cache/cache.js";
import { memoryCaches } from "../../server/platform/cache/memory.js";
import type { Log } from "../../server/platform/log.js";
import { natsLink } from "../../server/platform/nats.js";
import { startBackstay } from "../support/backstay.js";
import { startNats, type TestNats } from "../support/nats.js";
import { createDatabaseOn } from "../support/postgres.js";
import { type CacheNode, cacheNode } from "./cache-node.js";
import { type ChaosProxy, chaosProxy } from "./chaos-proxy.js";
import { exerciseCache, exerciseCacheNodes, STALE_MS, type StartedNode } from "./exercise-cache.js";

const onError = (error: unknown) => {
  throw error;
};

function cachesOn(bus: Bus, options: Partial<NamedCache> = {}): CacheFactory {
  const named = new Map([["shared", { max: 10_000, ttlMs: undefined, sync: true, ...options }]]);
  return memoryCaches({ bus, tables: [], named });
}

describe("the cache of a node", () => {
  exerciseCache((bounds) => cachesOn(memoryBus(onError), bounds).named("shared")!);
});

describe("caches of nodes that nothing connects", () => {
  it("read a change within two seconds", async () => {
    const [here, there] = [memoryBus(onError), memoryBus(onError)].map((bus) =>
      cacheNode(cachesOn(bus).named("shared")!),
    ) as [CacheNode, CacheNode];
    for (const node of [here, there]) await node.through("a", "old");
    await here.drop("a");
    expect(await here.through("a", "new")).toBe("new");
    await expect.poll(() => there.through("a", "new"), { timeout: STALE_MS.alone, interval: 5 }).toBe("new");
  });
});

describe("caches of the workers of a machine", () => {
  const share = shareNotices();
  exerciseCacheNodes(() => startWorker(share));
});

const WORKER = fileURLToPath(new URL("fixtures/cache-worker.mjs", import.meta.url));

/** A real process, whose notices its parent, this one, hands on. */
async function startWorker(share: ReturnType<typeof shareNotices>): Promise<StartedNode> {
  const child = fork(WORKER, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const unshare = share(child as ChildProcess & Peer);
  const answers = new EventEmitter();
  child.on("message", (message: { answer?: number; value: unknown }) => {
    if (message.answer !== undefined) answers.emit(String(message.answer), message.value);
  });
  let number = 0;
  const answer = (to: number) => new Promise((resolve) => answers.once(String(to), resolve));
  const order = (name: string) => {
    return (...words: unknown[]) => {
      const answered = answer(++number);
      child.send({ order: name, words, number });
      return answered as Promise<never>;
    };
  };
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await answer(0);
  return {
    through: order("through"),
    begin: order("begin"),
    end: order("end"),
    get: order("get"),
    put: order("put"),
    putMoment: order("putMoment"),
    drop: order("drop"),
    clear: order("clear"),
    increment: order("increment"),
    async stop() {
      unshare();
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

describe("caches of nodes over NATS", () => {
  let nats: TestNats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats?.stop());

  const log: Log = { debug() {}, info() {}, warn() {}, error() {}, flush() {} };
  const startNode = async (url = nats.url) => {
    const link = natsLink({ urls: [url], log });
    const bus = natsBus({ link, prefix: "caches", installation: "0123456789abcdef", onError });
    const node = cacheNode(cachesOn(bus).named("shared")!);
    await link.start();
    await bus.start();
    const stop = async () => {
      await bus.stop();
      await link.stop();
    };
    return { ...node, bus, stop };
  };
  const isConnected = ({ bus }: { bus: Bus }, expected: boolean) =>
    expect.poll(() => bus.isConnected(), { timeout: 10_000, interval: 5 }).toBe(expected);

  describe("between nodes", () => exerciseCacheNodes(() => startNode()));

  it("start empty when NATS was killed and is back, and read a change of meanwhile within two seconds", async () => {
    const [here, there] = [await startNode(), await startNode()];
    onTestFinished(async () => void (await Promise.all([here.stop(), there.stop()])));
    await here.put("put", "old");
    await expect.poll(() => there.get("put"), { timeout: 5_000 }).toBe("old");
    await nats.kill9();
    await isConnected(there, false);
    // What is kept while nobody is heard is not to be trusted later.
    await there.put("meanwhile", "old");
    await there.through("a", "old");
    await here.drop("a");
    await expect.poll(() => there.through("a", "new"), { timeout: STALE_MS.alone, interval: 5 }).toBe("new");
    await nats.start();
    await isConnected(there, true);
    for (const key of ["put", "meanwhile"]) {
      await expect.poll(() => there.get(key), { timeout: 5_000, interval: 5 }).toBe(null);
    }
  });

  describe("through a network that fails", () => {
    let proxy: ChaosProxy;
    beforeAll(async () => {
      proxy = await chaosProxy(nats.url);
    });
    afterAll(() => proxy?.stop());

    it.each([
      ["that reads", true],
      ["that writes", false],
    ])(
      "read a change within two seconds while the node %s is cut off without noticing, and start empty afterwards",
      async (_, readerIsCutOff) => {
        const cutOff = await startNode(proxy.through(nats.url));
        const well = await startNode();
        onTestFinished(async () => void (await Promise.all([cutOff.stop(), well.stop()])));
        const [reader, writer] = readerIsCutOff ? [cutOff, well] : [well, cutOff];
        for (const key of ["a", "put"]) await reader.put(key, "old");
        await expect.poll(() => writer.get("put"), { timeout: 5_000 }).toBe("old");
        proxy.stall();
        await reader.through("a", "old");
        for (const key of ["a", "put"]) await writer.put(key, "new");
        expect(cutOff.bus.isConnected()).toBe(true);
        expect(await writer.through("a", "new")).toBe("new");
        await expect.poll(() => reader.through("a", "new"), { timeout: STALE_MS.alone, interval: 5 }).toBe("new");
        expect(await reader.get("put")).toBe("old");
        await isConnected(cutOff, false);
        await proxy.mend();
        await expect.poll(() => reader.get("put"), { timeout: 10_000, interval: 5 }).not.toBe("old");
      },
    );
  });
});

describe("an account that is changed on one server is read on another", () => {
  const secret = "5e".repeat(32);

  const changes = async (settings: Parameters<typeof startBackstay>[0], timeout: number) => {
    const database = await createDatabaseOn(inject("postgres18"), inject("template"));
    const shared = { ...settings, secret, "database.url": database.url };
    const [one, two] = [await startBackstay(shared), await startBackstay(shared)];
    onTestFinished(async () => {
      await Promise.all([one.stop(), two.stop()]);
      await database.drop();
    });
    const ada = await one.signUp();
    const there = two.anonymous();
    await there.auth.signIn({ login: ada.login, secret: ada.secret });
    for (let n = 0; n < 5; n++) {
      await there.accounts.getAccount({ id: ada.id });
      const alias = `alias ${n}`;
      await ada.client.accounts.updateAccount({ account: { alias }, updateMask: { paths: ["alias"] } });
      const changed = performance.now();
      expect((await ada.client.accounts.getAccount({ id: ada.id })).account?.alias).toBe(alias);
      const aliasThere = async () => (await there.accounts.getAccount({ id: ada.id })).account?.alias;
      await expect.poll(aliasThere, { timeout: timeout - (performance.now() - changed), interval: 5 }).toBe(alias);
    }
  };

  it("within 100 ms over NATS", async () => {
    const nats = await startNats();
    onTestFinished(() => nats.stop());
    await changes({ "nats.url": nats.url }, STALE_MS.bus);
  });

  it("within two seconds without", () => changes({}, STALE_MS.alone));
});
