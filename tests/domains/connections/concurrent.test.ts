import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { startNats } from "../../support/nats.js";
import { openDatabase, upTo } from "../support.js";
import { audit, countersOf } from "./support.js";

let backstay: TestBackstay;
let people: Person[];
beforeAll(async () => {
  backstay = await startBackstay({ "database.pool_size": "16" });
  people = await Promise.all(upTo(8).map(() => backstay.signUp()));
});
afterAll(() => backstay.stop());

const differences = () => audit(openDatabase(backstay));
const counters = (who: Person) => countersOf(openDatabase(backstay), who.id);

/** Runs tasks, as many at once as are said, each taken by who is free. */
async function inLanes(lanes: number, tasks: (() => Promise<unknown>)[]): Promise<void> {
  const left = [...tasks];
  const work = async () => {
    for (let task = left.pop(); task !== undefined; task = left.pop()) await task();
  };
  await Promise.all(upTo(lanes).map(work));
}

/** Numbers below 2^32 that are the same in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
}

describe("case 55: the same connection, added a hundred times at once", () => {
  it("is one, and counted once", async () => {
    const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
    const put = () => ada.client.connections.putConnection({ peerId: ben.id, type: "like", properties: { a: 1 } });
    const answers = await Promise.all(upTo(100).map(put));
    expect(new Set(answers.map(({ connection }) => String(connection?.createTime?.nanos))).size).toBe(1);
    expect([await counters(ada), await counters(ben)]).toEqual([{ like0: 1 }, { like1: 1 }]);
    expect((await ben.client.connections.listReferences({})).connections).toHaveLength(1);
    expect(await differences()).toEqual([]);
  });

  it("is made by one of them, with create_only", async () => {
    const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
    const create = () =>
      ada.client.connections.putConnection({ peerId: ben.id, type: "like", createOnly: true }).then(
        () => "made",
        ({ reason }) => reason,
      );
    const outcomes = await Promise.all(upTo(100).map(create));
    expect(outcomes.sort()).toEqual([...Array(99).fill("CONNECTION_EXISTS"), "made"]);
    expect(await counters(ben)).toEqual({ like1: 1 });
    expect(await differences()).toEqual([]);
  });
});

describe("of two who put to each other at once, one at least is connected", () => {
  const oneIsConnected = async (people: (readonly [Person, Person])[], createOnly: boolean) => {
    for (const [ada, ben] of people) {
      const put = (who: Person, peer: Person) =>
        who.client.connections.putConnection({ peerId: peer.id, type: "like", createOnly });
      const answers = await Promise.all([put(ada, ben), put(ben, ada)]);
      expect(answers.some(({ connected }) => connected)).toBe(true);
    }
  };
  const pairsOf = (first: TestBackstay, second: TestBackstay) =>
    Promise.all(upTo(20).map(async () => [await first.signUp(), await second.signUp()] as const));

  it.each([false, true])("on one node (create_only: %s)", async (createOnly) => {
    await oneIsConnected(await pairsOf(backstay, backstay), createOnly);
  });

  it("on two nodes", async () => {
    const nats = await startNats();
    onTestFinished(() => nats.stop());
    const shared = { "nats.url": nats.url, secret: "ab".repeat(32) };
    const one = await startBackstay(shared);
    onTestFinished(() => one.stop());
    const two = await startBackstay({ ...shared, "database.url": one.databaseUrl });
    onTestFinished(() => two.stop());
    await oneIsConnected(await pairsOf(one, two), false);
  });
});

describe("case 56: connections made and deleted in random order", () => {
  it("by 8 accounts among themselves, 3,000 times over 16 connections: counters are their rows", {
    timeout: 120_000,
  }, async () => {
    const next = numbers(7);
    const types = ["like", "follow"];
    const one = <T>(list: readonly T[]): T => list[next() % list.length]!;
    const tasks = upTo(3_000).map(() => {
      const who = one(people);
      const peer = one(people.filter((other) => other !== who));
      const type = one(types);
      const verb = next() % 16;
      return () => {
        if (verb < 9) return who.client.connections.putConnection({ peerId: peer.id, type });
        if (verb < 13) return who.client.connections.deleteConnections({ peerId: peer.id, type });
        if (verb < 14) return who.client.connections.deleteConnections({ peerId: peer.id });
        if (verb < 15) return who.client.connections.deleteConnections({ type });
        return who.client.connections.deleteConnections({});
      };
    });
    // No call fails: who meets others at the same rows is not told.
    await inLanes(16, tasks);
    expect(await differences()).toEqual([]);
  });

  it("of one by its owner, while others come and go: its counters are 0 or 1", async () => {
    const [ada, ben] = people as [Person, Person];
    const tasks = upTo(400).map((n) => async () => {
      if (n % 2 === 0) await ada.client.connections.putConnection({ peerId: ben.id, type: "view" });
      else await ada.client.connections.deleteConnections({ peerId: ben.id, type: "view" });
    });
    await inLanes(16, tasks);
    const rows = (await ada.client.connections.listConnections({ type: "view" })).connections.length;
    expect([(await counters(ada)).view0 ?? 0, (await counters(ben)).view1 ?? 0]).toEqual([rows, rows]);
    expect(await differences()).toEqual([]);
  });
});

it("forty at once like the same account: it is liked forty times, and not at all when all take it back at once", async () => {
  const star = await backstay.signUp();
  const fans = [
    ...(await Promise.all(upTo(20).map(() => backstay.signUp()))),
    ...(await Promise.all(upTo(20).map(() => backstay.signUp()))),
  ];
  await Promise.all(fans.map(({ client }) => client.connections.putConnection({ peerId: star.id, type: "like" })));
  expect(await counters(star)).toEqual({ like1: 40 });
  await Promise.all(fans.map(({ client }) => client.connections.deleteConnections({ peerId: star.id })));
  expect(await counters(star)).toEqual({});
  expect(await differences()).toEqual([]);
});
