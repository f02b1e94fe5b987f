import { expect, it } from "vitest";
import type { Bus } from "../../../server/platform/bus/bus.js";
import type { Cache } from "../../../server/platform/cache/cache.js";
import { createChanges } from "../../../server/platform/cache/changes.js";
import { memoryCaches } from "../../../server/platform/cache/memory.js";

/** What a node changed, and which changes it knew of by then. */
interface Change {
  readonly number: number;
  readonly knew: ReadonlySet<number>;
}

interface Node {
  readonly cache: Cache<unknown>;
  readonly knows: Set<number>;
  readonly hear: (notice: unknown) => void;
}

/** Nodes whose notices are delivered when the test says so, those of one node to another in their order. */
function slowNodes(count: number) {
  const changes: Change[] = [];
  const lines = new Map<string, { change: number; notice: unknown }[]>();
  let changing = 0;
  const nodes: Node[] = Array.from({ length: count }, (_, from) => {
    let hear: (notice: unknown) => void = () => {};
    const bus = {
      subscribe: (_subject: string, listener: (notice: unknown) => void) => {
        hear = listener;
        return () => {};
      },
      onGap: () => () => {},
      publish(_subject: string, notice: unknown) {
        for (let to = 0; to < count; to++) {
          if (to === from) continue;
          const line = lines.get(`${from}${to}`) ?? [];
          lines.set(`${from}${to}`, line);
          line.push({ change: changing, notice: JSON.parse(JSON.stringify(notice)) });
        }
      },
    } as unknown as Bus;
    const named = new Map([["shared", { max: 100, ttlMs: undefined, sync: true }]]);
    const cache = memoryCaches({ bus, tables: [], named }).named("shared")!;
    return { cache, knows: new Set<number>(), hear: (notice) => hear(notice) };
  });
  return {
    nodes,
    changes,
    change(node: Node, what: (cache: Cache<unknown>, number: number) => void) {
      const number = changes.length;
      changing = number;
      changes.push({ number, knew: new Set(node.knows) });
      node.knows.add(number);
      what(node.cache, number);
    },
    /** Lines on which something waits. */
    waiting: () => [...lines].filter(([, line]) => line.length > 0).map(([name]) => name),
    deliver(name: string) {
      const { change, notice } = lines.get(name)!.shift()!;
      const to = nodes[Number(name[1])]!;
      to.hear(notice);
      to.knows.add(change);
    },
  };
}

/** Numbers from 0 up to 1 that are the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

it("what is held when all was heard is held by whoever knew of every other change, whatever the order of notices", () => {
  let held = 0;
  for (let seed = 1; seed <= 500; seed++) {
    const random = randomFrom(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const house = slowNodes(3);
    for (let step = 0; step < 25; step++) {
      const waiting = house.waiting();
      if (waiting.length > 0 && random() < 0.6) {
        house.deliver(pick(waiting));
        continue;
      }
      const act = random();
      house.change(pick(house.nodes), (cache, number) => {
        if (act < 0.7) cache.put("key", number);
        else if (act < 0.95) cache.drop("key");
        else cache.clear();
      });
    }
    for (let left = house.waiting(); left.length > 0; left = house.waiting()) house.deliver(pick(left));
    for (const { cache } of house.nodes) {
      const number = cache.get("key") as number | undefined;
      if (number === undefined) continue;
      held++;
      const { knew } = house.changes[number]!;
      const unknown = house.changes.filter((other) => other.number !== number && !knew.has(other.number));
      expect(unknown, `seed ${seed}`).toEqual([]);
    }
  }
  // Often enough there was an order.
  expect(held).toBeGreaterThan(100);
});

it("takes a key whose changes it has forgotten for changed by the last of those it forgot", () => {
  const changes = createChanges();
  for (let number = 1; number <= 10_003; number++) changes.note("ben", number, `key ${number}`);
  expect(changes.knewAll("ada", { ben: 2 }, "key 1")).toBe(false);
  expect(changes.knewAll("ada", { ben: 3 }, "key 1")).toBe(true);
  expect(changes.knewAll("ada", { ben: 3 }, "key 4")).toBe(false);
  expect(changes.knewAll("ada", { ben: 4 }, "key 4")).toBe(true);
  // Of its own changes a node knows.
  expect(changes.knewAll("ben", {}, "key 4")).toBe(true);
});
