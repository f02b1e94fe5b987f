import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, inject, it } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { memoryBus } from "../../../server/platform/bus/memory.js";
import type { Database } from "../../../server/platform/db/index.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import { busCarrier, type CarriedLog, type EventCarrier, noCarrier } from "../../../server/platform/events/carrier.js";
import { type EventLog, eraseTopic, type LoggedEvent } from "../../../server/platform/events/index.js";
import { relay } from "../../../server/platform/events/relay.js";
import { MOVE_BATCH } from "../../../server/platform/events/store.js";
import { createDatabaseOn, type TestDatabase } from "../../support/postgres.js";
import "../../support/provided.js";

const TOPIC = "account/ada";

let data: TestDatabase;
let database: Database;
const running: EventLog[] = [];
const complaints: string[] = [];
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  const limits = { poolSize: 8, statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
  database = postgresDatabase({ target: { url: data.url }, ...limits });
  await database.start();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((log) => log.stop()));
  complaints.length = 0;
});
afterAll(async () => {
  await database?.stop();
  await data?.drop();
});

/** Starts a relay over `over` and keeps what it hands out of the topic. */
async function follow(over: Database = database, carrier: EventCarrier = noCarrier) {
  const bus = memoryBus((error) => complaints.push(String(error)));
  const heard: LoggedEvent[] = [];
  const complain = (_: object, message: string) => complaints.push(message);
  const log = relay({
    database: over,
    bus,
    carrier,
    log: { debug() {}, info: complain, warn: complain, error: complain, flush() {} },
  });
  running.push(log);
  log.subscribe(TOPIC, (event) => heard.push(event));
  await log.start();
  return { log, heard };
}

/** A carrier by which the test brings what it wants. */
function carrierOfTest() {
  const state = { log: undefined as CarriedLog | undefined, ms: 0 };
  const carrier: EventCarrier = {
    ...noCarrier,
    async start(log) {
      state.log = log;
    },
    isConnected: () => true,
    behind: () => ({ events: state.ms === 0 ? 0 : 1, ms: state.ms }),
  };
  return { carrier, state, bring: (...events: LoggedEvent[]) => state.log!.receive(events) };
}

/** What the log will hold at these offsets, without its being there. */
const carried = (...offsets: number[]): LoggedEvent[] =>
  offsets.map((offset) => ({
    offset,
    topic: TOPIC,
    id: randomUUID().replaceAll("-", ""),
    type: `test.n${offset}`,
    actorId: null,
    data: "{}",
    time: 0,
  }));

async function record(type: string, topics = [TOPIC]): Promise<void> {
  await database.run(
    `insert into backstay.outbox (id, topics, type, data, created_at) values ($1::uuid, $2::text[], $3, '{}', now())`,
    [randomUUID(), topics, type],
  );
}

const types = (events: LoggedEvent[]) => events.map(({ type }) => type);
const inOrder = (events: LoggedEvent[]) => events.every(({ offset }, n) => n === 0 || offset > events[n - 1]!.offset);
const hears = (events: LoggedEvent[], expected: string[]) =>
  expect.poll(() => types(events), { timeout: 5_000, interval: 5 }).toEqual(expected);

it("hands out in their place the events that another node moved and died over", async () => {
  const { log, heard } = await follow();
  for (const n of [0, 1, 2]) {
    await record(`test.orphan${n}`);
    await database.batch(MOVE_BATCH);
    await record(`test.own${n}`);
    log.wake();
    await expect.poll(() => heard.length).toBe(2 * n + 2);
  }
  expect(types(heard)).toEqual([0, 1, 2].flatMap((n) => [`test.orphan${n}`, `test.own${n}`]));
  expect(inOrder(heard)).toBe(true);
});

it("hands out an event whose move was committed although its answer was lost", async () => {
  let lost = 0;
  const lossy: Database = {
    ...database,
    async batch<Row>(text: string) {
      const rows = await database.batch<Row>(text);
      if (rows.length === 0 || lost === 3) return rows;
      lost++;
      throw new DomainError("DATABASE_UNAVAILABLE");
    },
  };
  const { log, heard } = await follow(lossy);
  const expected = Array.from({ length: 6 }, (_, n) => `test.n${n}`);
  for (const [n, type] of expected.entries()) {
    await record(type);
    log.wake();
    // Each of the first has a move of its own, whose answer is lost.
    if (n < 3) await hears(heard, expected.slice(0, n + 1));
  }
  await hears(heard, expected);
  expect(inOrder(heard)).toBe(true);
  expect(lost).toBe(3);
  expect(complaints).toEqual([]);
});

it("logs what it does not understand, and goes on", async () => {
  let failures = 2;
  const broken: Database = {
    ...database,
    async batch<Row>(text: string) {
      if (failures-- > 0) throw new Error("out of memory, say");
      return database.batch<Row>(text);
    },
  };
  const { heard } = await follow(broken);
  await record("test.add");
  await hears(heard, ["test.add"]);
  expect(complaints).toEqual(["event relay failed", "event relay failed"]);
});

it("does not hand out again what was in the log when it began", async () => {
  const first = await follow();
  await record("test.before");
  await hears(first.heard, ["test.before"]);
  await first.log.stop();
  const second = await follow();
  await record("test.after");
  await hears(second.heard, ["test.after"]);
});

it("forgets a topic, also where it is still on its way, and leaves the others of an event", async () => {
  const { log, heard } = await follow();
  await record("test.logged", [TOPIC, "account/ben"]);
  await hears(heard, ["test.logged"]);
  await log.stop();
  await record("test.waiting", [TOPIC, "account/ben"]);
  await record("test.lonely", ["account/ben"]);
  await eraseTopic({ db: database }, { topic: "account/ben" });
  const again = await follow();
  again.log.wake();
  await hears(again.heard, ["test.waiting"]);
  const left = await database.run<{ topic: string; type: string }>(
    "select topic, type from backstay.events where type in ('test.logged', 'test.waiting', 'test.lonely') order by log_offset",
    [],
  );
  expect(left).toEqual([
    { topic: TOPIC, type: "test.logged" },
    { topic: TOPIC, type: "test.waiting" },
  ]);
  expect(await database.run("select from backstay.outbox", [])).toEqual([]);
});

it("hands out what other nodes bring in the log's order, once, however it comes", async () => {
  const { carrier, bring } = carrierOfTest();
  const { log, heard } = await follow(database, carrier);
  const first = log.published();
  // Not in the database: only what is missing is looked for there.
  const events = carried(...Array.from({ length: 300 }, (_, n) => first + 1 + n));
  await database.run("update backstay.event_log set last_offset = last_offset + 300", []);
  for (let n = 0; n < 300; n += 3) bring(...[2, 0, 1, 0].map((at) => events[n + at]!));
  await expect.poll(() => heard.length).toBe(300);
  expect(heard).toEqual(events);
});

it("lets streams have their turn while others bring a burst", async () => {
  const { carrier, bring } = carrierOfTest();
  const { log, heard } = await follow(database, carrier);
  await database.run("update backstay.event_log set last_offset = last_offset + 500", []);
  const first = log.published();
  for (const event of carried(...Array.from({ length: 500 }, (_, n) => first + 1 + n))) bring(event);
  expect(heard.length).toBeLessThan(100);
  await expect.poll(() => heard.length).toBe(500);
});

it("reads from the log what others announced and did not bring", async () => {
  const { carrier, state, bring } = carrierOfTest();
  const { heard, log } = await follow(database, carrier);
  for (const n of [1, 2, 3]) await record(`test.orphan${n}`);
  await database.batch(MOVE_BATCH);
  bring(...carried(log.published() + 3));
  await hears(heard, ["test.orphan1", "test.orphan2", "test.orphan3"]);
  await record("test.announced");
  await database.batch(MOVE_BATCH);
  state.log!.reached(log.published() + 1);
  await hears(heard, ["test.orphan1", "test.orphan2", "test.orphan3", "test.announced"]);
});

it("is not silenced by another node that speaks of events the log does not have", async () => {
  const { carrier, bring, state } = carrierOfTest();
  const { heard, log } = await follow(database, carrier);
  bring(...carried(log.published() + 1_000_000));
  state.log!.reached(log.published() + 2_000_000);
  await record("test.add");
  log.wake();
  await hears(heard, ["test.add"]);
  expect(log.published()).toBeLessThan(1_000_000);
});

it("hands out what the workers beside it have numbered, by the bus between them", async () => {
  const between = memoryBus((error) => complaints.push(String(error)));
  const writer = await follow(database, busCarrier(between, "1"));
  let blind = false;
  const reader = await follow(
    {
      ...database,
      async run(text, values) {
        if (blind) throw new DomainError("DATABASE_UNAVAILABLE");
        return database.run(text, values);
      },
    },
    busCarrier(between, "2"),
  );
  blind = true;
  const expected = Array.from({ length: 20 }, (_, n) => `test.n${n}`);
  for (const type of expected) {
    await record(type);
    writer.log.wake();
  }
  await hears(reader.heard, expected);
  await hears(writer.heard, expected);
  expect(reader.heard).toEqual(writer.heard);
});

it("warns once when events wait too long to be carried, and says when that is over", async () => {
  const { carrier, state } = carrierOfTest();
  await follow(database, carrier);
  state.ms = 6_000;
  await expect.poll(() => complaints, { timeout: 10_000 }).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(complaints).toEqual([expect.stringContaining("late")]);
  state.ms = 0;
  await expect.poll(() => complaints, { timeout: 10_000 }).toHaveLength(2);
  expect(complaints[1]).toContain("in time again");
});
