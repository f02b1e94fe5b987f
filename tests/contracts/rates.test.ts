import { EventEmitter } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Bus } from "../../server/platform/bus/bus.js";
import { ipcBus, type Peer, shareNotices } from "../../server/platform/bus/ipc.js";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { natsBus } from "../../server/platform/bus/nats.js";
import type { Log } from "../../server/platform/log.js";
import { natsLink } from "../../server/platform/nats.js";
import { call, startBackstay } from "../support/backstay.js";
import { startNats, type TestNats } from "../support/nats.js";
import { exerciseRates } from "./exercise-rates.js";

const onError = (error: unknown) => {
  throw error;
};

describe("rate limits over a bus of one process", () => {
  exerciseRates(async () => {
    const bus = memoryBus(onError);
    return { buses: [bus, bus, bus], stop: () => bus.stop() };
  });
});

describe("rate limits of the workers of a machine", () => {
  exerciseRates(async () => {
    const share = shareNotices();
    const buses = [worker(share), worker(share), worker(share)];
    await startAll(buses);
    return { buses, stop: () => stopAll(buses) };
  });
});

/** The bus of a worker whose parent hands notices on. */
function worker(share: ReturnType<typeof shareNotices>): Bus {
  const [parentEnd, workerEnd] = [new EventEmitter(), new EventEmitter()];
  const peer = (own: EventEmitter, other: EventEmitter): Peer => ({
    on: (_, listener) => own.on("message", listener),
    off: (_, listener) => own.off("message", listener),
    send(message, sent) {
      setImmediate(() => other.emit("message", message));
      sent(null);
    },
  });
  share(peer(parentEnd, workerEnd));
  return ipcBus(peer(workerEnd, parentEnd), onError);
}

async function startAll(parts: readonly { start(): Promise<void> }[]): Promise<void> {
  for (const part of parts) await part.start();
}

async function stopAll(parts: readonly { stop(): Promise<void> }[]): Promise<void> {
  for (const part of parts) await part.stop();
}

describe("rate limits over NATS", () => {
  let nats: TestNats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats?.stop());

  const log: Log = { debug() {}, info() {}, warn() {}, error() {}, flush() {} };
  let prefixes = 0;
  exerciseRates(async () => {
    const prefix = `rates${prefixes++}`;
    const links = Array.from({ length: 3 }, () => natsLink({ urls: [nats.url], log }));
    const buses = links.map((link) => natsBus({ link, prefix, installation: "0123456789abcdef", onError }));
    await startAll(links);
    await startAll(buses);
    return { buses, stop: () => stopAll([...buses, ...links]) };
  });

  it("an account that floods two servers gets what one server gives", async () => {
    // Ten a second, and sixty at once.
    const [perMinute, burst] = [600, 60];
    const settings = {
      "nats.url": nats.url,
      secret: "0".repeat(64),
      "limits.rate": "on",
      "limits.reads_per_minute": String(perMinute),
    } as const;
    const one = await startBackstay(settings);
    const two = await startBackstay({ ...settings, "database.url": one.databaseUrl });
    try {
      const { token } = await one.signUp();
      const headers = { authorization: `Bearer ${token}` };
      const began = performance.now();
      let passed = 0;
      const flood = async () => {
        const calls = [one, two, one, two].map(({ url }) => call(url, "auth.v1.AuthService/GetCurrent", {}, headers));
        for (const { status } of await Promise.all(calls)) if (status === 200) passed++;
        const grown = ((performance.now() - began) * perMinute) / 60_000;
        return passed - grown;
      };
      // At first both may give all they have; then neither does until that has grown again.
      for (let n = 0; n < burst; n++) await flood();
      expect(passed).toBeGreaterThanOrEqual(burst);
      await expect.poll(flood, { timeout: 30_000, interval: 20 }).toBeLessThan(burst * 1.25 + 10);
    } finally {
      await two.stop();
      await one.stop();
    }
  }, 60_000);
});
