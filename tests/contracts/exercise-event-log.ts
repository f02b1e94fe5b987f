import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Database, statement } from "../../server/platform/db/index.js";
import {
  accountTopic,
  type EventLog,
  eventPruner,
  type LoggedEvent,
  type NewEvent,
  readEvents,
  readHead,
  readPruned,
  recordFrom,
} from "../../server/platform/events/index.js";

/** One process of an installation: its database, and the log that runs over it. Made and stopped by the suite. */
export interface Node {
  database: Database;
  log: EventLog;
  /** What the log complained of. */
  complaints: unknown[];
  stop(): Promise<void>;
}

/** Starts one more node on the (migrated) database of a url. */
export type StartNode = (url: string) => Promise<Node>;

/** As a verb's own statement does it, without the rest of that statement. */
const record = statement<NewEvent, never>((p) => recordFrom(sql`(select 1) as once`, p));

const newId = () => randomUUID().replaceAll("-", "");

/** What every implementation of the event log promises. */
export function exerciseEventLog(open: () => Promise<{ url: string; close(): Promise<void> }>, start: StartNode) {
  let url: string;
  let close: () => Promise<void>;
  let observer: postgres.Sql;
  const nodes: Node[] = [];

  const startNode = async () => {
    const node = await start(url);
    nodes.push(node);
    return node;
  };

  beforeAll(async () => {
    ({ url, close } = await open());
    observer = postgres(url, { max: 4, onnotice: () => {} });
  });
  beforeEach(async () => {
    await observer`truncate backstay.outbox, backstay.events, backstay.event_prunes`;
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });
  afterAll(async () => {
    await observer?.end({ timeout: 1 });
    await close?.();
  });

  const event = (topics: string[], facts: Partial<NewEvent> = {}): NewEvent => ({
    eventId: newId(),
    topics,
    eventType: "test.add",
    actorId: undefined,
    eventData: {},
    at: new Date(),
    ...facts,
  });
  /** All that a node hands to the streams of these topics, in one list. */
  const follow = (node: Node, topics: string[]) => {
    const heard: LoggedEvent[] = [];
    for (const topic of topics) node.log.subscribe(topic, (logged) => heard.push(logged));
    return heard;
  };
  const reaches = (heard: unknown[], count: number, timeout = 5_000) =>
    expect.poll(() => heard.length, { timeout, interval: 5 }).toBeGreaterThanOrEqual(count);
  const offsets = (events: LoggedEvent[]) => events.map(({ offset }) => offset);
  const inLog = async () =>
    (await observer`select log_offset::int as at, id from backstay.events order by log_offset`).map((row) => ({
      at: row.at as number,
      id: (row.id as string).replaceAll("-", ""),
    }));

  describe("an event", () => {
    it("arrives as it was recorded, once for each of its topics", async () => {
      const node = await startNode();
      const topics = [accountTopic(newId()), accountTopic(newId())];
      const heard = follow(node, topics);
      const given = event(topics, {
        actorId: newId(),
        eventData: { text: "héllo \u{1f41f}", list: [1, { deep: null }] },
        at: new Date("2024-05-06T07:08:09.123Z"),
      });
      await record({ db: node.database }, given);
      node.log.wake();
      await reaches(heard, 2);
      for (const logged of heard) {
        expect(logged).toMatchObject({ id: given.eventId, type: "test.add", actorId: given.actorId, time: +given.at });
        expect(JSON.parse(logged.data)).toEqual(given.eventData);
      }
      expect(heard.map(({ topic }) => topic)).toEqual(topics);
      expect(heard[1]!.offset).toBe(heard[0]!.offset + 1);
    });

    it("is not known to anybody before its transaction is committed, and never if it is undone", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      const heard = follow(node, [topic]);
      const undone = node.database.transaction(async (db) => {
        await record({ db }, event([topic], { eventType: "test.undone" }));
        node.log.wake();
        await record({ db: node.database }, event([topic], { eventType: "test.kept" }));
        node.log.wake();
        await reaches(heard, 1);
        throw new Error("undo");
      });
      await expect(undone).rejects.toThrow("undo");
      await record({ db: node.database }, event([topic], { eventType: "test.last" }));
      node.log.wake();
      await reaches(heard, 2);
      expect(heard.map(({ type }) => type)).toEqual(["test.kept", "test.last"]);
    });

    it("arrives within a second when nobody wakes the log, on every node", async () => {
      const [one, two] = [await startNode(), await startNode()];
      const topic = accountTopic(newId());
      const heard = [follow(one, [topic]), follow(two, [topic])];
      await record({ db: one.database }, event([topic]));
      await Promise.all(heard.map((events) => reaches(events, 1, 1_000)));
    });

    it("that nobody listens to is kept for those who read the log", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      for (let n = 0; n < 3; n++) await record({ db: node.database }, event([topic], { eventType: `test.n${n}` }));
      node.log.wake();
      await expect.poll(async () => (await inLog()).length).toBe(3);
      const rows = await readEvents({ db: node.database }, { topics: [topic], after: 0, limit: 2 });
      const rest = await readEvents(
        { db: node.database },
        { topics: [topic], after: Number(rows[1]!.logOffset), limit: 2 },
      );
      expect([...rows, ...rest].map(({ type }) => type)).toEqual(["test.n0", "test.n1", "test.n2"]);
    });
  });

  describe("the order", () => {
    it("is that of commitment, whoever writes and whoever relays, and is the same on every node", async () => {
      const WRITERS = 8;
      const EACH = 40;
      const relays = [await startNode(), await startNode()];
      const topics = Array.from({ length: WRITERS }, () => accountTopic(newId()));
      const heard = relays.map((node) => follow(node, topics));
      let clock = 0;
      const spans = new Map<string, { began: number; ended: number }>();
      // A reader that asks again and again must never be shown something before what it has seen.
      const tail = tailOf(relays[0]!.database, topics, WRITERS * EACH);

      const write = async (writer: number) => {
        const { database, log } = relays[writer % 2]!;
        for (let n = 0; n < EACH; n++) {
          const one = event([topics[writer]!]);
          const began = clock++;
          await database.transaction(async (db) => {
            await record({ db }, one);
            // The number of the outbox is drawn; others overtake before this commits.
            await db.run("select pg_sleep($1)", [Math.random() * 0.006]);
          });
          spans.set(one.eventId, { began, ended: clock++ });
          if (n % 3 === 0) log.wake();
        }
      };
      await Promise.all(topics.map((_, writer) => write(writer)));
      await Promise.all(heard.map((events) => reaches(events, WRITERS * EACH)));

      const log = await inLog();
      expect(log).toHaveLength(WRITERS * EACH);
      for (const events of heard) {
        expect(events.map(({ offset, id }) => ({ at: offset, id }))).toEqual(log);
      }
      expect(await tail).toEqual(log.map(({ at }) => at));
      // Whatever was committed before another began stands before it.
      let latestBegin = -1;
      for (const { id } of log) {
        const { began, ended } = spans.get(id)!;
        expect(ended).toBeGreaterThan(latestBegin);
        latestBegin = Math.max(latestBegin, began);
      }
    });

    it("has no gaps and no repeats over more than one batch", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      const heard = follow(node, [topic]);
      const first = node.log.published() + 1;
      await observer`insert into backstay.outbox (id, topics, type, data, created_at)
        select gen_random_uuid(), array[${topic}, 'account/nobody'], 'test.n' || n, '{}', now() from generate_series(1, 1234) n`;
      node.log.wake();
      await reaches(heard, 1234, 10_000);
      expect(offsets(heard)).toEqual(Array.from({ length: 1234 }, (_, n) => first + 2 * n));
      expect(heard.map(({ type }) => type)).toEqual(Array.from({ length: 1234 }, (_, n) => `test.n${n + 1}`));
    });
  });

  describe("failures", () => {
    it("of the connection in the middle of a move lose nothing and repeat nothing", async () => {
      const relays = [await startNode(), await startNode()];
      const writer = await startNode();
      const topic = accountTopic(newId());
      const heard = relays.map((node) => follow(node, [topic]));
      let writing = true;
      let killed = 0;
      const killer = (async () => {
        while (writing) {
          killed += (
            await observer`select pg_terminate_backend(pid) from pg_stat_activity
              where datname = current_database() and query like 'select pg_advisory_xact_lock%' and state <> 'idle'`
          ).length;
        }
      })();
      const ids: string[] = [];
      // Moves take a moment, so that many are met in the middle.
      await observer.unsafe(SLOW_MOVES);
      try {
        for (let n = 0; n < 150; n++) {
          const one = event([topic]);
          ids.push(one.eventId);
          await record({ db: writer.database }, one);
          for (const { log } of relays) log.wake();
        }
        await expect.poll(() => killed, { timeout: 10_000, interval: 10 }).toBeGreaterThan(5);
      } finally {
        writing = false;
        await killer;
        await observer.unsafe("drop trigger slow_moves on backstay.events");
      }
      await Promise.all(heard.map((events) => reaches(events, 150, 10_000)));
      const log = await inLog();
      expect(new Set(log.map(({ id }) => id))).toEqual(new Set(ids));
      for (const events of heard) expect(events.map(({ offset, id }) => ({ at: offset, id }))).toEqual(log);
    });

    it("of the database are waited out", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      const heard = follow(node, [topic]);
      await node.database.stop();
      await observer`insert into backstay.outbox (id, topics, type, data, created_at)
        values (gen_random_uuid(), array[${topic}], 'test.add', '{}', now())`;
      node.log.wake();
      await node.database.start();
      await reaches(heard, 1);
      expect(node.complaints).toEqual([]);
    });
  });

  describe("what is past keeping", () => {
    const LONG_AGO = new Date("2020-01-01T00:00:00Z");
    const prune = (node: Node, facts: { before?: Date; perTopic?: number }) =>
      eventPruner()({ db: node.database }, { before: LONG_AGO, perTopic: 1_000_000, ...facts });
    const pruned = async (node: Node, ...topics: string[]) => {
      const marks = await readPruned({ db: node.database }, { topics, after: 0 });
      return Math.max(0, ...marks.map(({ logOffset }) => Number(logOffset)));
    };
    const fill = async (node: Node, topic: string, times: Date[]) => {
      const heard = follow(node, [topic]);
      for (const at of times) await record({ db: node.database }, event([topic], { at }));
      node.log.wake();
      await reaches(heard, times.length);
      return offsets(heard);
    };
    const left = async (topic: string) =>
      (
        await observer`select log_offset::int as at from backstay.events where topic = ${topic} order by log_offset`
      ).map(({ at }) => at);

    it("goes by age, and how far is remembered for each topic", async () => {
      const node = await startNode();
      const [old, fresh] = [accountTopic(newId()), accountTopic(newId())];
      const day = (n: number) => new Date(Date.UTC(2024, 0, n));
      const olds = await fill(node, old, [day(1), day(2), day(3)]);
      const news = await fill(node, fresh, [day(3), day(4)]);
      expect(await prune(node, { before: day(3) })).toBe(2);
      expect(await left(old)).toEqual(olds.slice(2));
      expect(await left(fresh)).toEqual(news);
      expect(await pruned(node, old)).toBe(olds[1]);
      expect(await pruned(node, fresh)).toBe(0);
      expect(await pruned(node, fresh, old)).toBe(olds[1]);
    });

    it("goes by count, topic by topic, the oldest first", async () => {
      const node = await startNode();
      const [crowded, quiet] = [accountTopic(newId()), accountTopic(newId())];
      const now = new Date();
      const many = await fill(node, crowded, Array(7).fill(now));
      const few = await fill(node, quiet, Array(3).fill(now));
      expect(await prune(node, { perTopic: 3 })).toBe(4);
      expect(await left(crowded)).toEqual(many.slice(4));
      expect(await left(quiet)).toEqual(few);
      expect(await pruned(node, crowded)).toBe(many[3]);
      expect(await pruned(node, quiet)).toBe(0);
    });

    it("is remembered further and never back, also when everything is gone", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      const at = await fill(node, topic, [new Date(), new Date(), new Date()]);
      await prune(node, { perTopic: 1 });
      expect(await pruned(node, topic)).toBe(at[1]);
      await prune(node, { before: new Date(Date.now() + 60_000) });
      expect(await left(topic)).toEqual([]);
      expect(await pruned(node, topic)).toBe(at[2]);
      await prune(node, { perTopic: 1 });
      expect(await pruned(node, topic)).toBe(at[2]);
      const [next] = await fill(node, topic, [new Date()]);
      expect(next).toBeGreaterThan(at[2]!);
    });
  });

  describe("a node", () => {
    it("begins at the end of the log, under the same epoch as the others", async () => {
      const one = await startNode();
      const topic = accountTopic(newId());
      const heard = follow(one, [topic]);
      await record({ db: one.database }, event([topic]));
      one.log.wake();
      await reaches(heard, 1);
      const two = await startNode();
      const [head] = await readHead({ db: two.database }, {});
      expect(two.log.published()).toBe(Number(head!.lastOffset));
      expect(two.log.published()).toBe(heard[0]!.offset);
      expect(two.log.epoch()).toBe(one.log.epoch());
      expect(two.log.epoch()).toMatch(/^[0-9a-f]{16}$/);
    });

    it("knows how far it has handed events out", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      const heard = follow(node, [topic]);
      const before = node.log.published();
      for (let n = 0; n < 5; n++) await record({ db: node.database }, event([topic]));
      node.log.wake();
      await reaches(heard, 5);
      expect(node.log.published()).toBe(before + 5);
      expect(heard.at(-1)!.offset).toBe(before + 5);
    });

    it("counts the streams of each owner and refuses more than it may have", async () => {
      const { log } = await startNode();
      const leave = [log.enter("ada", 2), log.enter("ada", 2)];
      const refused = expect.objectContaining({ reason: "TOO_MANY_STREAMS", retryAfterMs: 1_000 });
      expect(() => log.enter("ada", 2)).toThrow(refused);
      log.enter("ben", 2);
      leave[0]!();
      leave[0]!();
      log.enter("ada", 2);
      expect(() => log.enter("ada", 2)).toThrow(refused);
    });

    it("may be stopped twice, and is deaf to a wake after that", async () => {
      const node = await startNode();
      const topic = accountTopic(newId());
      const heard = follow(node, [topic]);
      await Promise.all([node.log.stop(), node.log.stop()]);
      await record({ db: node.database }, event([topic]));
      node.log.wake();
      const other = await startNode();
      const heardThere = follow(other, [topic]);
      await record({ db: other.database }, event([topic]));
      await reaches(heardThere, 1);
      expect(heard).toEqual([]);
    });
  });
}

const SLOW_MOVES = `
  create or replace function backstay.slow_move() returns trigger language plpgsql as 'begin perform pg_sleep(0.01); return null; end';
  create trigger slow_moves after insert on backstay.events for each statement execute function backstay.slow_move()`;

/** Reads on from the last offset seen, as a resuming stream does, until `count` events were seen; answers their offsets. */
async function tailOf(database: Database, topics: string[], count: number): Promise<number[]> {
  const seen: number[] = [];
  while (seen.length < count) {
    const rows = await readEvents({ db: database }, { topics, after: seen.at(-1) ?? 0, limit: 50 });
    seen.push(...rows.map(({ logOffset }) => Number(logOffset)));
  }
  return seen;
}
