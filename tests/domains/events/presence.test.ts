import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { describe, expect, inject, it, type TestContext, vi } from "vitest";
import { createPresence } from "../../../server/domains/events/index.js";
import { DomainError } from "../../../server/kernel/errors.js";
import type { LoggedEvent } from "../../../server/platform/events/index.js";
import { chaosProxy } from "../../contracts/chaos-proxy.js";
import { createDatabaseOn } from "../../support/postgres.js";
import { eventually, upTo } from "../support.js";
import { heardAt, sharedBus, startNode, type TestNode } from "./node.js";

// What is promised of presence over all nodes of an installation, tried on its port: nodes of one database and one bus, whose
// streams and sockets are the calls of `enter` here.

vi.setConfig({ testTimeout: 60_000 });

const GRACE = 300;

const newId = () => randomUUID().replaceAll("-", "");
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What was told, in short. */
const told = (heard: readonly LoggedEvent[]) => heard.map(({ type, actorId }) => `${type} ${actorId}`);

async function untilTold(heard: readonly LoggedEvent[], expected: string[], ms = 5_000): Promise<void> {
  await eventually(ms, `${expected} is told, and not ${told(heard)}`, async () =>
    heard.length >= expected.length ? true : undefined,
  );
  expect(told(heard)).toEqual(expected);
}

/** A database, a bus, a topic and somebody of the test's own: the tests run side by side. */
async function openHouse(test: TestContext) {
  const database = await createDatabaseOn(inject("postgres18"), inject("template"));
  test.onTestFinished(() => database.drop());
  const sql = postgres(database.url, { max: 2, onnotice: () => {} });
  test.onTestFinished(() => sql.end({ timeout: 1 }));
  const bus = sharedBus();
  const room = `room/${newId()}`;
  const ada = newId();
  const start = (grace = GRACE, url = database.url) => startNode(url, { bus, grace }, test);

  /** A node whose way to the database can be cut. */
  async function cuttableNode() {
    const proxy = await chaosProxy(database.url);
    test.onTestFinished(() => proxy.stop());
    return { proxy, node: await start(GRACE, proxy.through(database.url)) };
  }

  /** Makes the nodes of the room look as if they had said nothing for 11 s. */
  const silence = () => sql`update backstay.nodes set seen_at = now() - interval '11 s'
    where id in (select node_id from backstay.presences where topic = ${room})`;

  const rows = () =>
    sql`select account_id, node_id, since, left_at, data from backstay.presences where topic = ${room}`;
  const untilRows = (count: number, ms = 5_000) =>
    eventually(ms, `${count} rows`, async () => {
      const found = await rows();
      return found.length === count ? found : undefined;
    });
  const came = (who = ada) => `presence.join ${who}`;
  const went = (who = ada) => `presence.leave ${who}`;
  return { sql, room, ada, start, cuttableNode, silence, rows, untilRows, came, went };
}

type House = Awaited<ReturnType<typeof openHouse>>;

describe.concurrent("somebody who comes", () => {
  it("is told to the topic at once, with what he says and since when he is there", async (test) => {
    const { room, ada, start, came } = await openHouse(test);
    const node = await start();
    const heard = heardAt(node, room, test);
    node.presence.enter(room, ada, { mood: "sunny" });
    await untilTold(heard, [came()]);
    const event = heard[0]!;
    expect(event).toMatchObject({ offset: 0, topic: room, type: "presence.join", actorId: ada });
    expect(event.id).toMatch(/^[0-9a-f]{32}$/);
    const data = JSON.parse(event.data);
    expect(data).toEqual({ accountId: ada, since: expect.any(String), data: { mood: "sunny" } });
    expect(Math.abs(Date.parse(data.since) - Date.now())).toBeLessThan(10_000);
  });

  it("is told once, however many streams and sockets he has, and on however many nodes", async (test) => {
    const { room, ada, start, untilRows, came } = await openHouse(test);
    const nodes = [await start(), await start(), await start()];
    const heard = heardAt(nodes[0]!, room, test);
    for (const node of nodes) for (let n = 0; n < 3; n++) node.presence.enter(room, ada);
    await untilRows(3);
    await untilTold(heard, [came()]);
  });

  it("is told for each topic, and each account in it, by itself", async (test) => {
    const { room, ada, start, came } = await openHouse(test);
    const node = await start();
    const other = `${room}.2`;
    const ben = newId();
    const [heard, heardOther] = [heardAt(node, room, test), heardAt(node, other, test)];
    node.presence.enter(room, ada);
    node.presence.enter(other, ada);
    node.presence.enter(other, ben);
    await untilTold(heard, [came()]);
    await eventually(5_000, "both are told", async () => (heardOther.length === 2 ? true : undefined));
    expect(new Set(told(heardOther))).toEqual(new Set([came(), came(ben)]));
  });

  it("is not told on the account's own topic, where it alone would hear of itself", async (test) => {
    const { sql, room, ada, start, came, went } = await openHouse(test);
    const node = await start(0);
    const own = `account/${ada}`;
    const [heard, heardOwn] = [heardAt(node, room, test), heardAt(node, own, test)];
    const leaves = [node.presence.enter(own, ada), node.presence.enter(room, ada)];
    await untilTold(heard, [came()]);
    for (const leave of leaves) leave();
    await untilTold(heard, [came(), went()]);
    await eventually(5_000, "the account is gone", async () =>
      (await sql`select 1 from backstay.presences where topic = ${own}`).length === 0 ? true : undefined,
    );
    expect(heardOwn).toEqual([]);
  });
});

describe.concurrent("somebody who goes", () => {
  it("is told once, when nothing of his is open anywhere and his grace is past", async (test) => {
    const { room, ada, start, untilRows, came, went } = await openHouse(test);
    const nodes = [await start(), await start()];
    const heard = heardAt(nodes[1]!, room, test);
    const leaves = nodes.flatMap((node) => [node.presence.enter(room, ada), node.presence.enter(room, ada)]);
    await untilRows(2);
    for (const leave of leaves.slice(1)) leave();
    await sleep(GRACE + 1_500);
    expect(told(heard)).toEqual([came()]);
    const since = JSON.parse(heard[0]!.data).since;
    leaves[0]!();
    await untilTold(heard, [came(), went()]);
    expect(JSON.parse(heard[1]!.data)).toEqual({ accountId: ada, since });
    await untilRows(0);
  });

  it("and comes back within his grace, at any node, has never gone: nothing is told, and he is there since before", async (test) => {
    const { room, ada, start, untilRows, came } = await openHouse(test);
    const [one, two] = [await start(2_000), await start(2_000)];
    const heard = heardAt(one, room, test);
    let leave = one.presence.enter(room, ada);
    const [first] = await untilRows(1);
    for (const node of [two, one, two, two]) {
      leave();
      await sleep(150);
      leave = node.presence.enter(room, ada);
      await sleep(150);
    }
    await sleep(2_500);
    expect(told(heard)).toEqual([came()]);
    const [row] = await untilRows(1);
    expect([row!.since, row!.left_at]).toEqual([first!.since, null]);
  });

  it("is told at once where there is no grace", async (test) => {
    const { room, ada, start, came, went } = await openHouse(test);
    const [one, two] = [await start(0), await start(0)];
    const heard = heardAt(two, room, test);
    const leave = one.presence.enter(room, ada);
    await untilTold(heard, [came()]);
    leave();
    await untilTold(heard, [came(), went()]);
  });

  it("before he was told of is not told of", async (test) => {
    const { room, ada, start, rows, came } = await openHouse(test);
    const node = await start(0);
    const heard = heardAt(node, room, test);
    const ben = newId();
    node.presence.enter(room, ada)();
    node.presence.enter(room, ben);
    await untilTold(heard, [came(ben)]);
    expect((await rows()).length).toBe(1);
  });

  it("leaves once, whatever closes his stream twice", async (test) => {
    const { room, ada, start, came } = await openHouse(test);
    const node = await start(0);
    const heard = heardAt(node, room, test);
    const leave = node.presence.enter(room, ada);
    node.presence.enter(room, ada);
    leave();
    leave();
    await untilTold(heard, [came()]);
    await sleep(500);
    expect(told(heard)).toEqual([came()]);
  });
});

describe.concurrent("what somebody says", () => {
  const saidIn = async ({ rows }: House) => (await rows()).map(({ data }) => data);
  const untilSaid = (house: House, data: string) =>
    eventually(5_000, `${data} stands`, async () =>
      (await saidIn(house)).every((one) => one === data) ? true : undefined,
    );

  it("is the newest of what he said, and stays when he says nothing", async (test) => {
    const house = await openHouse(test);
    const { room, ada, start, untilRows } = house;
    const node = await start();
    const leave = node.presence.enter(room, ada, { n: 1 });
    await untilRows(1);
    node.presence.enter(room, ada, { n: 2 });
    await untilSaid(house, '{"n":2}');
    node.presence.enter(room, ada);
    leave();
    await sleep(300);
    expect(await saidIn(house)).toEqual(['{"n":2}']);
  });

  it("goes with him to another node", async (test) => {
    const house = await openHouse(test);
    const { room, ada, start, untilRows } = house;
    const [one, two] = [await start(), await start()];
    one.presence.enter(room, ada, { n: 1 });
    await untilRows(1);
    two.presence.enter(room, ada);
    await untilRows(2);
    expect(await saidIn(house)).toEqual(['{"n":1}', '{"n":1}']);
  });

  it("may be anything that JSON holds, and what no database takes for JSON keeps nobody out", async (test) => {
    const { room, ada, start } = await openHouse(test);
    const node = await start();
    const heard = heardAt(node, room, test);
    const ben = newId();
    node.presence.enter(room, ada, { text: 'a\0b \ud800 "\\' });
    node.presence.enter(room, ben);
    await eventually(5_000, "both are told", async () => (heard.length === 2 ? true : undefined));
    const event = heard.find(({ actorId }) => actorId === ada)!;
    expect(JSON.parse(event.data).data).toEqual({ text: 'a\0b \ud800 "\\' });
  });
});

describe.concurrent("a node that is gone", () => {
  /** What a node leaves behind that was killed so many seconds ago. */
  async function deadNode({ sql, room, ada }: House, seconds: number, who = ada, leftAt: Date | null = null) {
    const id = randomUUID();
    await sql`insert into backstay.nodes values (${id}, now() - ${seconds} * interval '1 s')`;
    await sql`insert into backstay.presences (topic, account_id, node_id, since, left_at)
      values (${room}, ${who}, ${id}, now() - interval '1 h', ${leftAt})`;
  }

  it("takes with it what it held, 10 s after it was heard last, and one of the others tells it", async (test) => {
    const house = await openHouse(test);
    const { room, start, untilRows, went } = house;
    const nodes = [await start(), await start(), await start()];
    const heard = heardAt(nodes[0]!, room, test);
    await deadNode(house, 11);
    await untilTold(heard, [went()]);
    await untilRows(0);
    await sleep(1_500);
    expect(told(heard)).toEqual([went()]);
  });

  it("is not given up before", async (test) => {
    const house = await openHouse(test);
    const { room, start, went } = house;
    const node = await start();
    const heard = heardAt(node, room, test);
    await deadNode(house, 7);
    await sleep(1_500);
    expect(told(heard)).toEqual([]);
    await untilTold(heard, [went()]);
  });

  it("has people who have come to another node meanwhile: of them nothing is told", async (test) => {
    const house = await openHouse(test);
    const { room, start, rows, came, went } = house;
    const node = await start();
    const heard = heardAt(node, room, test);
    const ben = newId();
    node.presence.enter(room, ben);
    await untilTold(heard, [came(ben)]);
    await deadNode(house, 11, ben);
    await deadNode(house, 11);
    await untilTold(heard, [came(ben), went()]);
    expect((await rows()).map((row) => row.account_id.replaceAll("-", ""))).toEqual([ben]);
  });

  it("leaves everything to a grace that is longer than that", async (test) => {
    const house = await openHouse(test);
    const { room, ada, start, untilRows } = house;
    const node = await start(60_000);
    const heard = heardAt(node, room, test);
    await deadNode(house, 11);
    node.presence.enter(room, ada);
    await untilRows(2);
    await sleep(1_500);
    expect(told(heard)).toEqual([]);
  });

  it("and comes back, after others took it for dead, is there anew with all it holds", async (test) => {
    const { room, ada, start, cuttableNode, silence, came, went } = await openHouse(test);
    const [{ proxy, node }, witness] = [await cuttableNode(), await start()];
    const heard = heardAt(witness, room, test);
    const leave = node.presence.enter(room, ada);
    await untilTold(heard, [came()]);
    await proxy.cut();
    await silence();
    await untilTold(heard, [came(), went()]);
    await proxy.mend();
    await untilTold(heard, [came(), went(), came()]);
    leave();
    await untilTold(heard, [came(), went(), came(), went()]);
  });

  it("does not take itself for one, however long it was silent", async (test) => {
    const { sql, room, ada, start, silence, untilRows, came } = await openHouse(test);
    const node = await start();
    const heard = heardAt(node, room, test);
    node.presence.enter(room, ada);
    await untilTold(heard, [came()]);
    const [before] = await untilRows(1);
    // It looks around more often than it says that it lives.
    await silence();
    await eventually(10_000, "he is there by its new name alone", async () => {
      const found = await sql`select node_id from backstay.presences where topic = ${room}`;
      return (found.length === 1 && found[0]!.node_id !== before!.node_id) || undefined;
    });
    expect(told(heard)).toEqual([came()]);
  });

  it("has not taken with it whom it holds when it was only silent, and has not rewritten yet", async (test) => {
    const { sql, room, start, silence, rows, went } = await openHouse(test);
    const node = await start(0);
    const heard = heardAt(node, room, test);
    // More than it writes, and clears, at once.
    const people = upTo(2_500).map(newId);
    const leaves = people.map((who) => node.presence.enter(room, who));
    await eventually(10_000, "all have come", async () => heard.length === people.length || undefined);
    const [before] = await sql`select node_id from backstay.presences where topic = ${room} limit 1`;
    await silence();
    // Without a grace it looks at once who is gone: before it has rewritten the others.
    leaves[0]!();
    await eventually(10_000, "all are rewritten, and cleared", async () => {
      const found = await rows();
      const [old] = await sql`select 1 from backstay.presences where node_id = ${before!.node_id} limit 1`;
      return (found.length === people.length - 1 && old === undefined) || undefined;
    });
    expect(told(heard).slice(people.length)).toEqual([went(people[0])]);
  });

  it("because it was stopped, tells nothing when its people are back at another within their grace", async (test) => {
    const { room, ada, start, went } = await openHouse(test);
    const [one, two] = [await start(2_000), await start(2_000)];
    const heard = heardAt(two, room, test);
    const ben = newId();
    one.presence.enter(room, ada);
    one.presence.enter(room, ben);
    await eventually(5_000, "both are told", async () => (heard.length === 2 ? true : undefined));
    await one.stop();
    two.presence.enter(room, ada);
    await sleep(1_000);
    expect(heard).toHaveLength(2);
    await eventually(5_000, "who did not come back is gone", async () => (heard.length === 3 ? true : undefined));
    expect(told(heard).at(-1)).toBe(went(ben));
    await sleep(1_000);
    expect(heard).toHaveLength(3);
  });
});

describe.concurrent("a database that is away", () => {
  it("loses nobody: who came and went meanwhile is told when it is back", async (test) => {
    const { room, ada, start, cuttableNode, came, went } = await openHouse(test);
    const { proxy, node } = await cuttableNode();
    const witness = await start();
    const heard = heardAt(witness, room, test);
    const [ben, eve] = [newId(), newId()];
    const leaveAda = node.presence.enter(room, ada);
    await untilTold(heard, [came()]);
    await proxy.cut();
    leaveAda();
    node.presence.enter(room, ben);
    node.presence.enter(room, eve)();
    await sleep(500);
    expect(told(heard)).toEqual([came()]);
    await proxy.mend();
    await eventually(8_000, "both are told", async () => (heard.length === 3 ? true : undefined));
    expect(new Set(told(heard).slice(1))).toEqual(new Set([came(ben), went()]));
    expect(node.complaints).toEqual([]);
  });

  it("and has crashed, is told again who is there, and the topics are not", async (test) => {
    const { sql, room, ada, start, untilRows, came, went } = await openHouse(test);
    const node = await start();
    const heard = heardAt(node, room, test);
    const leave = node.presence.enter(room, ada, { n: 1 });
    await untilTold(heard, [came()]);
    await sql`truncate backstay.nodes, backstay.presences`;
    const [row] = await untilRows(1);
    expect(row!.data).toBe('{"n":1}');
    expect(told(heard)).toEqual([came()]);
    leave();
    await untilTold(heard, [came(), went()]);
  });
});

describe.concurrent("a write whose answer is lost", () => {
  /** A node of a database that commits, and says that it failed, as often as it is told to. */
  async function deafNode({ start }: House, test: TestContext) {
    const node = await start();
    const state = { lost: 0 };
    const transaction: typeof node.database.transaction = async (...args) => {
      const answer = await node.database.transaction(...args);
      if (state.lost === 0) return answer;
      state.lost--;
      throw new DomainError("DATABASE_UNAVAILABLE");
    };
    const database = Object.create(node.database, { transaction: { value: transaction } });
    const presence = createPresence({ ...node, database, grace: 5_000 });
    await presence.start();
    test.onTestFinished(() => presence.stop());
    return { node, presence, state };
  }

  it("is told all the same, once, by the time at which he came", async (test) => {
    const house = await openHouse(test);
    const { room, ada, untilRows, came } = house;
    const { node, presence, state } = await deafNode(house, test);
    const heard = heardAt(node, room, test);
    state.lost = 2;
    presence.enter(room, ada);
    const [row] = await untilRows(1);
    expect(told(heard)).toEqual([]);
    await untilTold(heard, [came()]);
    expect(Date.parse(JSON.parse(heard[0]!.data).since)).toBe(row!.since.getTime());
    await sleep(500);
    expect(told(heard)).toEqual([came()]);
  });

  it("is not told of who came back within his grace, or is at another node", async (test) => {
    const house = await openHouse(test);
    const { room, ada, rows, untilRows } = house;
    const { node, presence, state } = await deafNode(house, test);
    const heard = heardAt(node, room, test);
    const ben = newId();
    const leave = presence.enter(room, ada);
    node.presence.enter(room, ben);
    await eventually(5_000, "both are told", async () => heard.length === 2 || undefined);
    leave();
    await eventually(5_000, "his grace begins", async () =>
      (await rows()).some((row) => row.left_at !== null) ? true : undefined,
    );
    await sleep(200);
    state.lost = 1;
    presence.enter(room, ada);
    presence.enter(room, ben);
    await untilRows(3);
    await eventually(5_000, "the write is repeated", async () => state.lost === 0 || undefined);
    await sleep(1_500);
    expect(heard).toHaveLength(2);
  });
});

// So much to do would hold up the others.
it("thousands that come and go at once are told once each, over two nodes", async (test) => {
  const { room, start, untilRows, came, went } = await openHouse(test);
  const nodes = [await start(), await start()];
  const heard = heardAt(nodes[0]!, room, test);
  const people = upTo(3_000).map(newId);
  const leaves = people.flatMap((who) => nodes.map((node) => node.presence.enter(room, who)));
  await eventually(10_000, "all have come", async () => (heard.length >= people.length ? true : undefined));
  await untilRows(2 * people.length, 10_000);
  expect(new Set(told(heard))).toEqual(new Set(people.map(came)));
  for (const leave of leaves) leave();
  await eventually(10_000, "all are gone", async () => (heard.length >= 2 * people.length ? true : undefined));
  await untilRows(0);
  expect(new Set(told(heard).slice(people.length))).toEqual(new Set(people.map(went)));
  expect(heard).toHaveLength(2 * people.length);
});

it.concurrent("a node that is idle holds nothing", async (test) => {
  const { room, start, untilRows } = await openHouse(test);
  const node: TestNode = await start(0);
  const leaves = upTo(50).map(() => node.presence.enter(room, newId()));
  await untilRows(50);
  for (const leave of leaves) leave();
  await untilRows(0);
  expect(node.complaints).toEqual([]);
});
