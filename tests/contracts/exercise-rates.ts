import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RateClass } from "#gen/backstay/options/v1/options_pb.js";
import { ANONYMOUS, type Caller } from "../../server/kernel/caller.js";
import { DomainError } from "../../server/kernel/errors.js";
import { instanceKey } from "../../server/kernel/instance-key.js";
import type { Bus } from "../../server/platform/bus/bus.js";
import { type RateLimiter, rateLimiter } from "../../server/rpc/rate.js";

const key = instanceKey(Buffer.alloc(32, 7));

/** Sixty reads a minute, thirty of them at once. */
const LIMITS = { reads: 60, writes: 60, secrets: 60, streams: 60 };
const BURST = 30;
/** What a node spends of a bucket before it tells the others. */
const UNTOLD = Math.ceil(BURST / 4);

const ADDRESS = "192.0.2.1";
const ACCOUNT = "0190f0a1b2c37d4e8f90a1b2c3d4e5f6";

interface Node {
  bus: Bus;
  limiter: RateLimiter;
  /** Notices that it has heard, its own among them. */
  notices: { node: string; spent: [kind: string, name: string, count: number][] }[];
}

/** A caller who reads from an address. */
const from = (remote: string, caller: Caller = ANONYMOUS) => ({
  method: { rateClass: RateClass.READ },
  caller,
  remote,
});

/** Calls until one is refused, but not more often than that; answers how many were not, and why the last was. */
function drain({ limiter }: Node, call = from(ADDRESS), most = 1_000): { passed: number; error?: DomainError } {
  for (let passed = 0; passed < most; passed++) {
    try {
      limiter.count(call);
    } catch (error) {
      if (error instanceof DomainError) return { passed, error };
      throw error;
    }
  }
  return { passed: most };
}

/** What limiters promise that are joined by a bus. `start` makes three nodes' ends of one. */
export function exerciseRates(start: () => Promise<{ buses: readonly Bus[]; stop(): Promise<void> }>): void {
  let nodes: Node[];
  let stop: () => Promise<void>;

  beforeEach(async () => {
    const started = await start();
    nodes = started.buses.map((bus) => {
      const node: Node = { bus, limiter: rateLimiter({ bus, key, limits: LIMITS }), notices: [] };
      bus.subscribe("rate.spent", (notice) => node.notices.push(notice as never));
      return node;
    });
    stop = started.stop;
  });
  afterEach(async () => {
    for (const { limiter } of nodes) limiter.stop();
    await stop();
  });
  const hears = (node: Node, count: number) => expect.poll(() => node.notices.length, { timeout: 5_000 }).toBe(count);

  describe("budgets of several nodes", () => {
    it.each([
      ["an address", from(ADDRESS)],
      [
        "an account that comes from anywhere",
        from(ADDRESS, { kind: "account", via: "token", accountId: ACCOUNT } as Caller),
      ],
    ])("give %s about what one node has, however many it calls", async (_, call) => {
      const began = performance.now();
      const [one, two, three] = nodes as [Node, Node, Node];
      const first = drain(one, call).passed;
      await hears(two, 1);
      const second = drain(two, { ...call, remote: call.caller === ANONYMOUS ? ADDRESS : "198.51.100.1" }).passed;
      await hears(three, 2);
      const third = drain(three, call).passed;
      const grown = ((performance.now() - began) * LIMITS.reads) / 60_000;
      expect(first).toBeGreaterThanOrEqual(BURST);
      expect(first + second + third).toBeLessThanOrEqual(BURST + grown + UNTOLD + 1);
    });

    it("make up for what was spent everywhere at once", async () => {
      const calls = nodes.map((node) => drain(node).passed);
      expect(Math.min(...calls)).toBeGreaterThanOrEqual(BURST);
      for (const node of nodes) await hears(node, nodes.length);
      // What two others spent, and told of, has to grow again first.
      const least = (2 * (BURST - UNTOLD) * 60_000) / LIMITS.reads - 5_000;
      for (const node of nodes) expect(drain(node).error?.retryAfterMs).toBeGreaterThan(least);
    });

    it("tell nobody whose they are", async () => {
      const [one, two] = nodes as [Node, Node];
      drain(one);
      drain(one, from(ADDRESS, { kind: "account", via: "token", accountId: ACCOUNT } as Caller));
      await hears(two, 1);
      expect(two.notices[0]!.spent.map(([kind, , count]) => [kind, count >= BURST - UNTOLD])).toContainEqual([
        "reads",
        true,
      ]);
      const told = JSON.stringify(two.notices);
      for (const text of [ADDRESS, ACCOUNT]) expect(told).not.toContain(text);
    });

    it("tell of nobody who has spent little, and of a thousand at most, those first who spent most", async () => {
      const [one, two] = nodes as [Node, Node];
      drain(one, from("198.51.100.1"), UNTOLD - 1);
      for (let n = 0; n < 1_100; n++) drain(one, from(`10.1.${n >> 8}.${n & 255}`), UNTOLD + 1);
      drain(one, from("203.0.113.1"));
      await hears(two, 1);
      const { spent } = two.notices[0]!;
      expect(spent).toHaveLength(1_000);
      expect(spent[0]![2]).toBeGreaterThan(spent[1]![2]);
      expect(spent.slice(2).every(([, , count]) => count <= 2)).toBe(true);
      // Of whom was told of, another node knows; of who has spent little it does not.
      expect(drain(two, from("203.0.113.1")).passed).toBeLessThan(UNTOLD + 3);
      expect(drain(two, from("198.51.100.1")).passed).toBeGreaterThanOrEqual(BURST);
    });

    it("keep nobody waiting for more than two minutes, and know nothing of budgets that others have", async () => {
      const [one, two] = nodes as [Node, Node];
      drain(one);
      await hears(two, 1);
      const [kind, name] = two.notices[0]!.spent[0]!;
      one.bus.publish("rate.spent", {
        node: "another",
        spent: [
          ["unknown", name, 1],
          [kind, name, 1e9],
        ],
      });
      await hears(two, 2);
      const wait = drain(two).error?.retryAfterMs;
      expect(wait).toBeGreaterThan(100_000);
      expect(wait).toBeLessThanOrEqual(121_000);
    });

    it("say nothing when the limiter has stopped, and hear nothing", async () => {
      const [one, two, three] = nodes as [Node, Node, Node];
      drain(one);
      one.limiter.stop();
      two.limiter.stop();
      drain(three);
      await hears(two, 1);
      expect(two.notices.map(({ spent }) => spent.length)).toEqual([2]);
      expect(drain(two).passed).toBeGreaterThanOrEqual(BURST);
    });
  });
}
