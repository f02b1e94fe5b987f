import { type ChildProcess, execFile, fork } from "node:child_process";
import { EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Bus } from "../../server/platform/bus/bus.js";
import { ipcBus, type Peer, shareNotices } from "../../server/platform/bus/ipc.js";
import { memoryBus } from "../../server/platform/bus/memory.js";
import { natsBus } from "../../server/platform/bus/nats.js";
import type { Log } from "../../server/platform/log.js";
import { natsLink } from "../../server/platform/nats.js";
import { startNats, type TestNats } from "../support/nats.js";
import { type ChaosProxy, chaosProxy } from "./chaos-proxy.js";
import { exerciseBus } from "./exercise-bus.js";
import { type BusNode, exerciseBusNodes } from "./exercise-bus-nodes.js";

describe("the bus within one process", () => exerciseBus(memoryBus));

describe("the bus between the workers of a machine", () => {
  const share = shareNotices();
  exerciseBus((onError) => {
    const line = new EventEmitter();
    const ends = [new EventEmitter(), new EventEmitter()] as const;
    const peer = (own: EventEmitter, other: EventEmitter): Peer => ({
      on: (_, listener) => own.on("message", listener),
      off: (_, listener) => own.off("message", listener),
      send(message, sent) {
        setImmediate(() => other.emit("message", message));
        sent(null);
      },
    });
    line.once("end", share(peer(...ends)));
    return ipcBus(peer(ends[1], ends[0]), onError);
  });

  exerciseBusNodes(() => startWorker(share));

  it("keeps little for a parent that does not read, and goes on when it does", async () => {
    const kept: { length: number; sent: (error: null) => void }[] = [];
    const parent: Peer = {
      on: () => {},
      off: () => {},
      send: (message, sent) => kept.push({ length: JSON.stringify(message).length, sent }),
    };
    const bus = ipcBus(parent, () => {});
    await bus.start();
    const flood = () => {
      for (let n = 0; n < 500; n++) bus.publish("a", "x".repeat(100_000));
      return kept.splice(0);
    };
    const unread = flood();
    const lengthOf = (notices: typeof kept) => notices.reduce((sum, { length }) => sum + length, 0);
    expect(lengthOf(unread)).toBeGreaterThan(15 << 20);
    expect(lengthOf(unread)).toBeLessThan(18 << 20);
    expect(flood()).toEqual([]);
    for (const { sent } of unread) sent(null);
    // Once it reads, it is told that some were lost.
    const [told] = kept.splice(0);
    expect(told?.length).toBeLessThan(20);
    told?.sent(null);
    expect(flood()).toHaveLength(unread.length);
    await bus.stop();
  });

  it("tells who does not read in time, and those who hear of others by him, that notices were lost", async () => {
    const [slow, other] = [stoppableLine(), stoppableLine()];
    const shareHere = shareNotices();
    for (const line of [slow, other]) shareHere(line.parentEnd);
    const [slowBus, otherBus] = [ipcBus(slow.workerEnd, onError), ipcBus(other.workerEnd, onError)];
    for (const bus of [slowBus, otherBus]) await bus.start();
    const gaps: string[] = [];
    slowBus.onGap(() => gaps.push("slow"));
    otherBus.onGap(() => gaps.push("other"));

    slow.stop("worker");
    for (let n = 0; n < 500; n++) otherBus.publish("a", "x".repeat(100_000));
    slow.go();
    await expect.poll(() => gaps).toEqual(["slow"]);

    slow.stop("parent");
    for (let n = 0; n < 500; n++) slowBus.publish("a", "x".repeat(100_000));
    slow.go();
    await expect.poll(() => gaps).toEqual(["slow", "other"]);
    for (const bus of [slowBus, otherBus]) await bus.stop();
  });
});

const onError = (error: unknown) => {
  throw error;
};

/** A line between a parent and a worker, either end of which may stop reading for a while. */
function stoppableLine() {
  const ends = { parent: new EventEmitter(), worker: new EventEmitter() };
  const waiting: (() => void)[] = [];
  const stopped = { parent: false, worker: false };
  const peer = (own: "parent" | "worker", other: "parent" | "worker"): Peer => ({
    on: (_, listener) => ends[own].on("message", listener),
    off: (_, listener) => ends[own].off("message", listener),
    send(message, sent) {
      const pass = () => {
        ends[other].emit("message", message);
        sent(null);
      };
      if (stopped[other]) waiting.push(pass);
      else setImmediate(pass);
    },
  });
  return {
    /** What the parent holds of it, and the worker. */
    parentEnd: peer("parent", "worker"),
    workerEnd: peer("worker", "parent"),
    stop(end: "parent" | "worker") {
      stopped[end] = true;
    },
    go() {
      stopped.worker = false;
      stopped.parent = false;
      for (const pass of waiting.splice(0)) pass();
    },
  };
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WORKER = fileURLToPath(new URL("fixtures/bus-worker.mjs", import.meta.url));

/** A real process, whose notices its parent, this one, hands on. */
async function startWorker(share: ReturnType<typeof shareNotices>): Promise<BusNode> {
  const child = fork(WORKER, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const unshare = share(child as ChildProcess & Peer);
  const answers = new EventEmitter();
  child.on("message", (message: { answer?: number; heard: Record<string, unknown[]> }) => {
    if (message.answer !== undefined) answers.emit(String(message.answer), message.heard);
  });
  let number = 0;
  const answer = (to: number) => new Promise<Record<string, unknown[]>>((resolve) => answers.once(String(to), resolve));
  const order = (facts: object) => {
    const answered = answer(++number);
    child.send({ ...facts, number });
    return answered;
  };
  const gone = new Promise((resolve) => child.once("exit", resolve));
  await answer(0);
  return {
    listen: async (subject) => void (await order({ order: "listen", subject })),
    publish: async (subject, ...messages) => void (await order({ order: "publish", subject, messages })),
    heard: async (subject) => (await order({ order: "tell" }))[subject] ?? [],
    async stop() {
      unshare();
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}

describe("the bus over NATS", () => {
  let nats: TestNats;
  let complaints: string[];
  beforeAll(async () => {
    nats = await startNats();
    complaints = [];
  });
  afterAll(() => nats?.stop());

  const complain = (_: object, message: string) => complaints.push(message);
  const log: Log = { debug() {}, info: complain, warn: complain, error: complain, flush() {} };
  let prefixes = 0;
  const OURS = "0123456789abcdef";
  const makeBus = (
    onError: (error: unknown) => void,
    url = nats.url,
    prefix = `bus${prefixes++}`,
    installation = OURS,
  ): Bus => {
    const link = natsLink({ urls: [url], log });
    const bus = natsBus({ link, prefix, installation, onError });
    return {
      ...bus,
      async start() {
        await link.start();
        await bus.start();
      },
      async stop() {
        await bus.stop();
        await link.stop();
      },
    };
  };
  const startNode = async (prefix: string, url = nats.url, installation = OURS) => {
    const errors: unknown[] = [];
    const bus = makeBus((error) => errors.push(error), url, prefix, installation);
    await bus.start();
    const heard = new Map<string, unknown[]>();
    const node: BusNode = {
      async listen(subject) {
        const list: unknown[] = [];
        heard.set(subject, list);
        bus.subscribe(subject, (message) => list.push(message));
      },
      async publish(subject, ...messages) {
        for (const message of messages) bus.publish(subject, message);
      },
      heard: async (subject) => heard.get(subject) ?? [],
      stop: () => bus.stop(),
    };
    return { ...node, bus, errors };
  };
  const hears = (node: BusNode, subject: string, expected: unknown[], timeout = 5_000) =>
    expect.poll(() => node.heard(subject), { timeout, interval: 10 }).toEqual(expected);

  exerciseBus((onError) => makeBus(onError));
  describe("over one server", () => {
    exerciseBusNodes(() => startNode("shared"));
  });

  it("keeps installations apart, also of one prefix, and different prefixes", async () => {
    const pair = async (prefix: string, installation?: string) => [
      await startNode(prefix, nats.url, installation),
      await startNode(prefix, nats.url, installation),
    ];
    const pairs = [await pair("here"), await pair("there"), await pair("here", "fedcba9876543210")];
    for (const [, reader] of pairs) await reader!.listen("a");
    for (const [n, [writer, reader]] of pairs.entries()) {
      await writer!.publish("a", n);
      // Had it come to one of the next two, it would have come before what theirs publish.
      await hears(reader!, "a", [n]);
    }
    for (const node of pairs.flat()) await node.stop();
  });

  it("says that it cannot carry what NATS takes no message of, and brings it to its own node", async () => {
    const node = await startNode("large");
    await node.listen("a");
    await node.publish("a", "x".repeat(2_000_000));
    await expect.poll(async () => (await node.heard("a")).length).toBe(1);
    expect(node.errors).toEqual([expect.objectContaining({ code: "MAX_PAYLOAD_EXCEEDED" })]);
    await node.stop();
  });

  it("starts without a server, serves its own node, and reaches the others once there is one", async () => {
    await nats.kill9();
    const [one, two] = [await startNode("late"), await startNode("late")];
    expect([one.bus.isConnected(), two.bus.isConnected()]).toEqual([false, false]);
    for (const node of [one, two]) await node.listen("a");
    await one.publish("a", "here");
    await hears(one, "a", ["here"]);
    await nats.start();
    await expect.poll(() => one.bus.isConnected() && two.bus.isConnected(), { timeout: 5_000 }).toBe(true);
    await reaches(one, two, "late");
    // What was published while NATS was away is lost, and nothing else.
    expect(await two.heard("a")).not.toContain("here");
    for (const node of [one, two]) await node.stop();
  });

  it("serves its own node while NATS is killed, and the others again afterwards", async () => {
    const [one, two] = [await startNode("killed"), await startNode("killed")];
    for (const node of [one, two]) await node.listen("a");
    await one.publish("a", 1);
    await hears(two, "a", [1]);
    complaints.length = 0;
    await nats.kill9();
    await expect.poll(() => one.bus.isConnected(), { timeout: 10_000 }).toBe(false);
    await one.publish("a", 2);
    await hears(one, "a", [1, 2]);
    // Both are told that they may miss something now, and once they hear again.
    const gaps = [0, 0];
    for (const [n, node] of [one, two].entries()) node.bus.onGap(() => gaps[n]!++);
    await nats.start();
    await reaches(one, two, "killed");
    await expect.poll(() => gaps.every((count) => count > 0), { timeout: 5_000 }).toBe(true);
    expect(complaints.filter((line) => line.startsWith("NATS is away"))).toHaveLength(2);
    expect(complaints.filter((line) => line === "NATS is back")).toHaveLength(2);
    expect([...one.errors, ...two.errors]).toEqual([]);
    for (const node of [one, two]) await node.stop();
  });

  /** Waits until what one publishes reaches the other, however often it takes. */
  async function reaches(one: BusNode, two: BusNode, subject: string) {
    await two.listen(subject);
    const arrived = async () => {
      await one.publish(subject, null);
      return (await two.heard(subject)).length > 0;
    };
    await expect.poll(arrived, { timeout: 8_000, interval: 50 }).toBe(true);
  }

  describe("through a network that fails", () => {
    let proxy: ChaosProxy;
    beforeAll(async () => {
      proxy = await chaosProxy(nats.url);
    });
    afterAll(() => proxy?.stop());

    it("sees within 10 seconds that a line is dead, keeps little of what it published meanwhile, and comes back", async () => {
      const far = await startNode("stalled", proxy.through(nats.url));
      const near = await startNode("stalled");
      for (const node of [far, near]) await node.listen("a");
      await far.publish("a", 1);
      await hears(near, "a", [1]);
      proxy.stall();
      const before = process.memoryUsage().rss;
      const message = "x".repeat(10_000);
      for (let n = 0; far.bus.isConnected(); n++) {
        // 100 MB/s, if anybody took it.
        if (n < 500) for (let i = 0; i < 100; i++) far.bus.publish("flood", message);
        await new Promise((resolve) => setTimeout(resolve, 10));
        expect(n).toBeLessThan(1_000);
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(50 << 20);
      await proxy.mend();
      await reaches(far, near, "stalled");
      await reaches(near, far, "stalled back");
      for (const node of [far, near]) await node.stop();
    });

    it("tells the others that it lost what it published while its line was stalled for a moment, and goes on", async () => {
      const far = await startNode("moment", proxy.through(nats.url));
      const near = await startNode("moment");
      let gaps = 0;
      near.bus.onGap(() => gaps++);
      await near.listen("a");
      proxy.stall();
      // The last one that is taken goes far beyond what may be on its way.
      for (let n = 0; n < 100; n++) far.bus.publish("flood", "x".repeat(900_000));
      await proxy.mend();
      await expect.poll(() => gaps, { timeout: 5_000 }).toBeGreaterThan(0);
      expect(far.bus.isConnected()).toBe(true);
      await far.publish("a", 1);
      await hears(near, "a", [1]);
      for (const node of [far, near]) await node.stop();
    });

    it("keeps no socket of a server that takes connections and says nothing, and comes back", async () => {
      const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
      const before = sockets();
      proxy.hold();
      const far = await startNode("held", proxy.through(nats.url));
      await expect.poll(sockets, { timeout: 1_000, interval: 5 }).toBeLessThanOrEqual(before);
      const near = await startNode("held");
      expect(far.bus.isConnected()).toBe(false);
      await proxy.mend();
      await reaches(far, near, "held");
      for (const node of [far, near]) await node.stop();
    });
  });

  it.each([
    [
      "a user and a password",
      (url: string) => url.replace("//", "//ada:4%2Fsecret@"),
      ["--user", "ada", "--pass", "4/secret"],
    ],
    ["a token", (url: string) => url.replace("//", "//t0ken@"), ["--auth", "t0ken"]],
  ])("signs in with %s, and says nothing of it where it may not", async (_, withSecret, flags) => {
    const guarded = await startNats(flags);
    onTestFinished(() => guarded.stop());
    complaints.length = 0;
    const facts: object[] = [];
    const lines: Log = { ...log, warn: (fact) => facts.push(fact), info: (fact) => facts.push(fact) };
    const link = natsLink({ urls: [withSecret(guarded.url)], log: lines });
    await link.start();
    expect(link.current()).toBeDefined();
    expect(link.describe()).toMatch(/^NATS at 127\.0\.0\.1:\d+ \(\d+\.\d+\.\d+/);
    await link.stop();
    const stranger = natsLink({ urls: [guarded.url.replace("//", "//ada:wr0ng@")], log: lines });
    await stranger.start();
    expect(stranger.current()).toBeUndefined();
    expect(stranger.describe()).toBe(`NATS at ${guarded.url.slice(7)} (away)`);
    expect(facts).toEqual([{ servers: guarded.url.slice(7), why: "AUTHORIZATION_VIOLATION" }]);
    await stranger.stop();
  });

  it("speaks TLS to a server whose certificate is for it, and to no other", async () => {
    const file = (name: string) => fileURLToPath(new URL(`../http/fixtures/test-only.${name}.pem`, import.meta.url));
    const guarded = await startNats(["--tls", "--tlscert", file("cert"), "--tlskey", file("key")]);
    onTestFinished(() => guarded.stop());
    const url = guarded.url.replace("nats:", "tls:");
    // Whom to trust is said to node when it starts, so each is another process.
    const [trusting, byName, wary] = await Promise.all([
      describeLink(url, { NODE_EXTRA_CA_CERTS: file("cert") }),
      describeLink(url.replace("127.0.0.1", "localhost"), { NODE_EXTRA_CA_CERTS: file("cert") }),
      describeLink(url, {}),
    ]);
    expect(trusting).toMatch(/^NATS at 127\.0\.0\.1:\d+ \(\d/);
    expect(byName).toMatch(/^NATS at localhost:\d+ \(\d/);
    expect(wary).toMatch(/\(away\)$/);
  });
});

/** How a link describes itself once it has started, in a process of its own. */
async function describeLink(url: string, env: Record<string, string>): Promise<string> {
  const code = `const { natsLink } = await import("./server/platform/nats.ts");
    const log = { debug() {}, info() {}, warn() {}, error() {}, flush() {} };
    const link = natsLink({ urls: [process.argv[1]], log });
    await link.start();
    process.stdout.write(link.describe());
    await link.stop();
    process.exit();`;
  const args = ["--import", "tsx", "--input-type=module", "-e", code, url];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } });
  return stdout;
}
