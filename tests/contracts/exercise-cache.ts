import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Cache } from "../../server/platform/cache/cache.js";
import { type CacheNode, type Deferred, deferred } from "./cache-node.js";

/** What a cache is made with: most keys, and milliseconds. */
export interface Bounds {
  max?: number;
  ttlMs?: number;
}

/** What every cache promises within one node. */
export function exerciseCache(make: (bounds?: Bounds) => Cache<unknown>): void {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  /** Loads that count, and end when they are told to. */
  const loader = () => {
    const waiting: Deferred[] = [];
    const load = () => {
      const one = deferred();
      waiting.push(one);
      return one.promise;
    };
    return { waiting, load };
  };

  describe("reading through", () => {
    it("loads what is not there once, and answers it from memory afterwards", async () => {
      const cache = make();
      let loads = 0;
      const load = async () => ({ n: ++loads });
      const first = await cache.through("a", load);
      expect(cache.through("a", load)).toBe(first);
      expect(cache.get("a")).toBe(first);
      expect(loads).toBe(1);
    });

    it("is one load for all who ask at the same time", async () => {
      const cache = make();
      const { waiting, load } = loader();
      const readers = [1, 2, 3].map(() => cache.through("a", load));
      expect(waiting).toHaveLength(1);
      waiting[0]!.resolve("one");
      expect(await Promise.all(readers)).toEqual(["one", "one", "one"]);
    });

    it("keeps no load that fails, and tells all who waited for it", async () => {
      const cache = make();
      const { waiting, load } = loader();
      const readers = [1, 2].map(() => cache.through("a", load));
      waiting[0]!.reject(new Error("away"));
      for (const reader of readers) await expect(reader).rejects.toThrow("away");
      expect(await cache.through("a", async () => "again")).toBe("again");
    });

    it("keeps null, and nothing of a load that finds nothing", async () => {
      const cache = make();
      expect(await cache.through("a", async () => null)).toBe(null);
      expect(cache.through("a", async () => 1)).toBe(null);
      expect(await cache.through("b", async () => undefined)).toBe(undefined);
      expect(await cache.through("b", async () => 1)).toBe(1);
    });

    it.each([
      ["was dropped", (cache: Cache<unknown>) => cache.drop("a")],
      ["was put", (cache: Cache<unknown>) => cache.put("a", "new")],
      ["was counted up", (cache: Cache<unknown>) => cache.increment("a")],
      ["went with all others", (cache: Cache<unknown>) => cache.clear()],
    ])(
      "gives a load that began before its key %s only to who asked before, and does not keep it",
      async (_, change) => {
        const cache = make();
        const { waiting, load } = loader();
        const early = cache.through("a", load);
        change(cache);
        const after = cache.get("a");
        const late = after === undefined ? cache.through("a", load) : undefined;
        if (late !== undefined) {
          expect(waiting).toHaveLength(2);
          waiting[1]!.resolve("new");
          expect(await late).toBe("new");
        }
        waiting[0]!.resolve("old");
        expect(await early).toBe("old");
        expect(cache.get("a")).toBe(after ?? "new");
        expect(cache.through("a", load)).toBe(after ?? "new");
      },
    );

    it("loads anew what is two seconds old, also when it was put for longer or is still in use", async () => {
      const cache = make();
      cache.put("put", "old");
      await cache.through("read", async () => "old");
      await cache.through("gone", async () => "old");
      const began = performance.now();
      for (const key of ["put", "read", "gone"]) expect(cache.through(key, async () => "new")).toBe("old");
      await pause(2_000 - (performance.now() - began));
      expect(cache.get("put")).toBe("old");
      expect(cache.get("gone")).toBe(undefined);
      for (const key of ["put", "read"]) expect(await cache.through(key, async () => "new")).toBe("new");
    });

    it("counts the age of a value from the beginning of its load, and gives nobody a load as old as that", async () => {
      const cache = make();
      const { waiting, load } = loader();
      const early = cache.through("a", load);
      await pause(2_000);
      const late = cache.through("a", load);
      expect(waiting).toHaveLength(2);
      waiting[1]!.resolve("new");
      expect(await late).toBe("new");
      waiting[0]!.resolve("old");
      expect(await early).toBe("old");
      expect(cache.get("a")).toBe("new");
    });

    it("keeps for as long as the cache says when that is shorter", async () => {
      const cache = make({ ttlMs: 100 });
      expect(await cache.through("a", async () => 1)).toBe(1);
      await pause(110);
      expect(cache.get("a")).toBe(undefined);
      expect(await cache.through("a", async () => 2)).toBe(2);
    });
  });

  describe("what is put", () => {
    it("is got until it is dropped, or all is cleared", () => {
      const cache = make();
      for (const key of ["a", "b", "c"]) cache.put(key, key);
      cache.drop("a");
      cache.drop("never there");
      expect(["a", "b", "c"].map((key) => cache.get(key))).toEqual([undefined, "b", "c"]);
      cache.clear();
      expect(cache.keys()).toEqual([]);
    });

    it("is there as long as was said with it, else as long as the cache says, else on", async () => {
      const [brief, long] = [make({ ttlMs: 100 }), make()];
      brief.put("as the cache", 1);
      brief.put("longer", 1, 5_000);
      long.put("as the cache", 1);
      long.put("shorter", 1, 100);
      await pause(110);
      expect(brief.keys()).toEqual(["longer"]);
      expect(long.keys()).toEqual(["as the cache"]);
      expect(brief.stats()).toMatchObject({ size: 1, evictions: 1 });
    });

    it("is read through like what was loaded", () => {
      const cache = make();
      cache.put("a", 1);
      expect(cache.through("a", async () => 2)).toBe(1);
    });
  });

  describe("counting", () => {
    it("begins at nothing, goes up and down, and answers the sum", () => {
      const cache = make();
      expect([cache.increment("n"), cache.increment("n", 4.5), cache.increment("n", -6)]).toEqual([1, 5.5, -0.5]);
      expect(cache.get("n")).toBe(-0.5);
    });

    it("leaves the age of the number", async () => {
      const cache = make();
      cache.put("n", 1, 150);
      await pause(100);
      expect(cache.increment("n")).toBe(2);
      await pause(60);
      expect(cache.get("n")).toBe(undefined);
      expect(cache.increment("n")).toBe(1);
    });

    it.each([["text"], [null], [{}], [Number.MAX_VALUE]])("refuses %s, and leaves it", (value) => {
      const cache = make();
      cache.put("n", value);
      expect(() => cache.increment("n", Number.MAX_VALUE)).toThrow(expect.objectContaining({ reason: "NOT_A_NUMBER" }));
      expect(cache.get("n")).toBe(value);
    });
  });

  it("puts out the least recently used for room", () => {
    const cache = make({ max: 3 });
    for (const key of ["a", "b", "c"]) cache.put(key, key);
    cache.get("a");
    cache.put("d", "d");
    expect(cache.keys()).toEqual(["a", "c", "d"]);
    expect(cache.stats()).toMatchObject({ size: 3, maxSize: 3, evictions: 1 });
  });

  it("lists keys by their beginning, in the order of their text", () => {
    const cache = make();
    for (const key of ["b/2", "a", "b/10", "ä", "b"]) cache.put(key, 1);
    expect(cache.keys()).toEqual(["a", "b", "b/10", "b/2", "ä"]);
    expect(cache.keys("b/")).toEqual(["b/10", "b/2"]);
  });

  it("counts what it did", async () => {
    const cache = make();
    await cache.through("a", async () => 1);
    await cache.through("a", async () => 1);
    cache.get("a");
    cache.get("b");
    cache.put("b", 1);
    cache.drop("b");
    cache.drop("b");
    cache.clear();
    expect(cache.stats()).toEqual({ size: 0, maxSize: 10_000, hits: 2, misses: 2, puts: 2, drops: 2, evictions: 0 });
  });
}

/** A node that can be stopped. */
export type StartedNode = CacheNode & { stop(): Promise<void> };

/** Milliseconds after which a change elsewhere is read: with a bus between the nodes, and without. */
export const STALE_MS = { bus: 100, alone: 2_000 };

/** What caches of several nodes promise each other, over any bus that reaches. Values that are put travel. */
export function exerciseCacheNodes(start: () => Promise<StartedNode>): void {
  let here: StartedNode;
  let there: StartedNode;
  let third: StartedNode;
  /** Keys that no other test has used: the nodes are the same for all. */
  let a: string;
  let n: string;
  let tests = 0;
  beforeAll(async () => {
    [here, there, third] = await Promise.all([start(), start(), start()]);
  });
  beforeEach(() => {
    tests++;
    [a, n] = [`a ${tests}`, `n ${tests}`];
  });
  afterAll(async () => {
    await Promise.all([here, there, third].map((node) => node?.stop()));
  });

  const gets = (node: CacheNode, key: string, value: unknown) =>
    expect.poll(() => node.get(key), { timeout: 5_000, interval: 2 }).toEqual(value);
  let marks = 0;
  /** Waits until two nodes have heard what the other has said so far. */
  const heard = async (one: CacheNode, other: CacheNode) => {
    const mark = `mark ${marks++}`;
    await other.put(mark, "stands");
    await gets(one, mark, "stands");
    await one.drop(mark);
    await gets(other, mark, null);
  };

  it("reads a change at once where it was made, and within 100 ms elsewhere", async () => {
    for (const node of [here, there, third]) expect(await node.through(a, "old")).toBe("old");
    await here.drop(a);
    const changed = performance.now();
    expect(await here.through(a, "new")).toBe("new");
    for (const node of [there, third]) {
      const timeout = STALE_MS.bus - (performance.now() - changed);
      await expect.poll(() => node.through(a, "new"), { timeout, interval: 2 }).toBe("new");
    }
  });

  it("forgets everywhere what is cleared", async () => {
    for (const node of [here, there]) await node.through(a, "old");
    await here.clear();
    await expect.poll(() => there.through(a, "new"), { timeout: STALE_MS.bus, interval: 2 }).toBe("new");
  });

  it("sends what is put, and what is counted, to the others", async () => {
    await here.put(a, { list: [1, "two", null, true], text: "Ünï\u{1f41f}" });
    await gets(there, a, { list: [1, "two", null, true], text: "Ünï\u{1f41f}" });
    await here.increment(n);
    await gets(there, n, 1);
    await there.increment(n);
    await gets(here, n, 2);
  });

  it.each([
    ["what is no JSON", (node: CacheNode) => node.putMoment(a)],
    ["more than 64 KiB", (node: CacheNode) => node.put(a, "é".repeat(33_000))],
  ])("sends no %s: the others only forget theirs", async (_, put) => {
    for (const node of [there, third]) await node.through(a, "old");
    await put(here);
    for (const node of [there, third]) await gets(node, a, null);
    expect(await here.get(a)).not.toBe(null);
  });

  it.each([
    ["dropped", (node: CacheNode) => node.drop(a), null],
    ["put", (node: CacheNode) => node.put(a, "new"), "new"],
  ])("does not keep a load that began before its key was %s elsewhere", async (_, change, expected) => {
    await there.begin(a);
    await change(here);
    await heard(here, there);
    expect(await there.end(a, "old")).toBe("old");
    expect(await there.get(a)).toBe(expected);
    expect(await there.through(a, "new")).toBe("new");
  });

  it("ends with no two values when several change a key at the same moment", async () => {
    for (let round = 0; round < 30; round++) {
      await Promise.all([here, there, third].map((node, which) => node.put(a, `${round}.${which}`)));
      for (const [one, other] of [
        [here, there],
        [here, third],
        [there, third],
      ] as const)
        await heard(one, other);
      const values = await Promise.all([here, there, third].map((node) => node.get(a)));
      expect(new Set(values.filter((value) => value !== null)).size, JSON.stringify(values)).toBeLessThanOrEqual(1);
    }
  });
}
