import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { ConflictError, ConstraintError, type Database, type Db, statement } from "../../server/platform/db/index.js";
import { type ChaosProxy, chaosProxy } from "./chaos-proxy.js";

/** The limits of a database under test, in milliseconds. */
export interface Limits {
  poolSize: number;
  statementTimeout: number;
  lockTimeout: number;
  acquireTimeout: number;
}

/** Makes an implementation of the port on the (empty) database of a url; it is started and stopped by the suite. */
export type MakeDatabase = (url: string, limits: Limits) => Database;

const LIMITS: Limits = { poolSize: 4, statementTimeout: 5_000, lockTimeout: 4_000, acquireTimeout: 2_000 };
const ID = "01890a5d31c07b6eb4a1f0c2d3e4f506";

/** What every implementation of the database port promises. */
export function exerciseDatabase(open: () => Promise<{ url: string; close(): Promise<void> }>, make: MakeDatabase) {
  let url: string;
  let close: () => Promise<void>;
  let observer: postgres.Sql;
  let database: Database;
  const made: Database[] = [];
  const proxies: ChaosProxy[] = [];
  const holding: (() => Promise<void>)[] = [];

  const start = async (limits: Partial<Limits> = {}, at = url) => {
    const one = make(at, { ...LIMITS, ...limits });
    made.push(one);
    await one.start();
    return one;
  };
  const proxied = async (limits: Partial<Limits> = {}) => {
    const proxy = await chaosProxy(url);
    proxies.push(proxy);
    return { proxy, database: await start(limits, proxy.through(url)) };
  };

  beforeAll(async () => {
    ({ url, close } = await open());
    observer = postgres(url, { max: 4, onnotice: () => {} });
    await observer.unsafe(`
      create table things (
        id uuid primary key, name text unique, size bigint constraint things_size check (size >= 0), label text not null,
        parent uuid constraint things_parent references things, made_at timestamptz, facts jsonb, tags text[], parents uuid[], raw bytea
      );
      create table tally (n int primary key, value int not null);
      insert into tally values (1, 0), (2, 0);`);
    database = await start();
  });
  afterEach(async () => {
    for (const letGo of holding.splice(0)) await letGo();
    await Promise.all(made.splice(database === made[0] ? 1 : 0).map((one) => one.stop()));
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
    await observer`truncate things`;
  });
  afterAll(async () => {
    await Promise.all(made.map((one) => one.stop()));
    await observer?.end({ timeout: 1 });
    await close?.();
  });

  /** Holds the first row of `tally` until it is told to let go. */
  const holdRow = async () => {
    let letGo = () => {};
    let holds = () => {};
    const held = new Promise<void>((resolve) => {
      holds = resolve;
    });
    const done = observer.begin(async (tx) => {
      await tx`select from tally where n = 1 for update`;
      holds();
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
    });
    await held;
    holding.push(async () => {
      letGo();
      await done;
    });
    return holding.at(-1)!;
  };
  const needRow = (db: Db) => db.run("update tally set value = value where n = 1 returning n", []);
  /** Resolves when that many statements of the product are at work in this database. */
  const atWork = (count: number) =>
    expect
      .poll(async () => (await busyStatements(observer)).length, { timeout: 2_000, interval: 10 })
      .toBeGreaterThanOrEqual(count);

  describe("values", () => {
    it("answers rows with camelCase names, ids as 32 hex digits and bigint as BigInt", async () => {
      const [row] = await database.run(
        `select '${ID}'::uuid as thing_id, 9007199254740993::bigint as big_number, 7::int as small_number,
           array['a','b']::text[] as text_list, '{"deep":{"n":[1,null]}}'::jsonb as some_json, null::text as no_value,
           'f'::boolean as some_flag, '\\x00ff'::bytea as some_bytes, timestamptz '2024-02-29 12:34:56.789+02' as some_time`,
        [],
      );
      expect(row).toEqual({
        thingId: ID,
        bigNumber: 9007199254740993n,
        smallNumber: 7,
        textList: ["a", "b"],
        someJson: { deep: { n: [1, null] } },
        noValue: null,
        someFlag: false,
        someBytes: Buffer.from([0, 255]),
        someTime: new Date("2024-02-29T10:34:56.789Z"),
      });
    });

    it("keeps every kind of value as it was given", async () => {
      const given = {
        id: ID,
        name: "O'Brien \u{1f41f} \\ $1 ; --",
        size: 2n ** 63n - 1n,
        madeAt: new Date("2030-01-01T00:00:00.001Z"),
        facts: { list: [1, "two", { three: null }], text: 'quote " and \\ backslash' },
        tags: ["plain", 'with "quotes"', "with, comma", "with \\ backslash", "{in}", "two\nlines", "NULL", "", null],
        parents: [ID, null, ID],
        raw: Buffer.from([0, 1, 254, 255]),
      };
      await database.run(
        `insert into things (id, name, size, label, made_at, facts, tags, parents, raw)
         values ($1::uuid, $2::text, $3::bigint, '', $4::timestamptz, $5::jsonb, $6::text[], $7::uuid[], $8::bytea)`,
        Object.values(given),
      );
      const [row] = await database.run("select id, name, size, made_at, facts, tags, parents, raw from things", []);
      expect(row).toEqual(given);
    });

    it("takes null and an empty list for what they are", async () => {
      const [row] = await database.run("select $1::text as nothing, $2::uuid as nobody, $3::text[] as none", [
        null,
        null,
        [],
      ]);
      expect(row).toEqual({ nothing: null, nobody: null, none: [] });
    });

    it("works in UTC wherever the server stands", async () => {
      const [row] = await database.run(
        "select current_setting('TimeZone') as zone, '2024-01-01'::timestamptz as day",
        [],
      );
      expect(row).toEqual({ zone: "UTC", day: new Date("2024-01-01T00:00:00Z") });
    });

    it("has no statement compiled, which takes longer than any of ours runs", async () => {
      expect(await database.run("select current_setting('jit') as jit", [])).toEqual([{ jit: "off" }]);
    });

    it("answers no rows as an empty list", async () => {
      expect(await database.run("select 1 where false", [])).toEqual([]);
    });
  });

  describe("statements", () => {
    it("prepares a text once for each connection", async () => {
      const text = "select $1::int + 40 as prepared_once";
      const rows = await database.transaction(async (db) => {
        for (let i = 0; i < 3; i++) await db.run(text, [i]);
        return db.run("select generic_plans + custom_plans as uses from pg_prepared_statements where statement = $1", [
          text,
        ]);
      });
      expect(rows).toEqual([{ uses: 3n }]);
    });

    it("goes on after a table has changed under a prepared statement", async () => {
      const text = "select * from shape_shifter";
      await observer`create table shape_shifter as select 1 as a`;
      expect(await database.run(text, [])).toEqual([{ a: 1 }]);
      await observer`alter table shape_shifter add column b int default 2`;
      expect(await database.run(text, [])).toEqual([{ a: 1, b: 2 }]);
      await observer`drop table shape_shifter`;
    });

    it("gives one parameter to every place that names it", async () => {
      const twice = statement<{ word: string; missing?: string }, { a: string; b: string; c: string | null }>(
        (p) =>
          sql`select ${p.word}::text as a, upper(${p.word}::text) as b, ${p.missing}::text as c, ${p.word}::text as d`,
      );
      expect(await twice({ db: database }, { word: "same" })).toEqual([{ a: "same", b: "SAME", c: null, d: "same" }]);
    });

    it("refuses a statement that carries a value in its SQL", () => {
      expect(() => statement<object, never>(() => sql`select ${"a value"}`)).toThrow(/takes its values from its input/);
    });
  });

  describe("broken rules", () => {
    const insert = (values: Record<string, unknown>) => {
      const names = Object.keys(values);
      const places = names.map((_, i) => `$${i + 1}`);
      return database.run(`insert into things (${names}) values (${places})`, Object.values(values));
    };
    const other = "01890a5d31c07b6eb4a1f0c2d3e4f507";

    it.each([
      { rule: "a unique name", values: { id: other, label: "", name: "taken" }, is: ["unique", "things_name_key"] },
      { rule: "a primary key", values: { id: ID, label: "" }, is: ["unique", "things_pkey"] },
      {
        rule: "a reference",
        values: { id: other, label: "", parent: other.replace("7", "8") },
        is: ["foreign_key", "things_parent"],
      },
      { rule: "a check", values: { id: other, label: "", size: -1n }, is: ["check", "things_size"] },
      { rule: "a value that must be there", values: { id: other }, is: ["not_null", "things.label"] },
    ])("names $rule that was broken", async ({ values, is: [kind, constraint] }) => {
      await insert({ id: ID, label: "", name: "taken" });
      const error = await insert(values).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(ConstraintError);
      expect(error).toMatchObject({ kind, constraint });
    });

    it("calls a lost race over the same rows a conflict", async () => {
      const attempt = database.transaction(async (db) => {
        await db.run("set transaction isolation level repeatable read", []);
        await db.run("select value from tally where n = 1", []);
        await observer`update tally set value = value + 1 where n = 1`;
        await needRow(db);
      });
      await expect(attempt).rejects.toBeInstanceOf(ConflictError);
    });

    it("calls a deadlock a conflict for one of the two, and lets the other through", async () => {
      let arrived = 0;
      let go = () => {};
      const both = new Promise<void>((resolve) => {
        go = resolve;
      });
      const cross = (first: number, second: number) =>
        database.transaction(async (db) => {
          await db.run("update tally set value = value where n = $1", [first]);
          if (++arrived === 2) go();
          await both;
          await db.run("update tally set value = value where n = $1", [second]);
        });
      const outcomes = await Promise.allSettled([cross(1, 2), cross(2, 1)]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      const failed = outcomes.find((outcome) => outcome.status === "rejected") as PromiseRejectedResult;
      expect(failed.reason).toBeInstanceOf(ConflictError);
    });
  });

  describe("time limits", () => {
    it("ends a statement in the database when its caller is gone", async () => {
      const caller = new AbortController();
      const sleeping = database.during(caller.signal).run("select pg_sleep(30)", []);
      await atWork(1);
      const reason = new DomainError("QUERY_TIMEOUT");
      caller.abort(reason);
      await expect(sleeping).rejects.toBe(reason);
      await expect.poll(() => busyStatements(observer), { timeout: 1_000, interval: 10 }).toEqual([]);
    });

    it("does not begin a statement whose caller is gone already", async () => {
      const reason = new Error("gone");
      const attempt = database.during(AbortSignal.abort(reason)).run("update tally set value = 99", []);
      await expect(attempt).rejects.toBe(reason);
      expect(await observer`select from tally where value = 99`).toHaveLength(0);
    });

    it("ends the statement of a transaction when its caller is gone, and undoes what came before it", async () => {
      const caller = new AbortController();
      const attempt = database.transaction(async (db) => {
        await db.run("insert into things (id, label) values ($1, '')", [ID]);
        await db.run("select pg_sleep(30)", []);
      }, caller.signal);
      await atWork(1);
      caller.abort(new DomainError("QUERY_TIMEOUT"));
      await expect(attempt).rejects.toMatchObject({ reason: "QUERY_TIMEOUT" });
      expect(await observer`select from things`).toHaveLength(0);
    });

    it("hits nobody else's statement when many callers hang up at once", async () => {
      const busy = await start({ poolSize: 3 });
      let left = 150;
      const outcomes = { hungUp: 0, done: 0 };
      const impatient = async () => {
        while (left-- > 0) {
          const caller = new AbortController();
          const timer = setTimeout(() => caller.abort(new Error("hung up")), 1 + Math.random() * 4);
          await busy
            .during(caller.signal)
            .run("select pg_sleep(0.003)", [])
            .then(
              () => outcomes.done++,
              (error) => {
                expect(error).toMatchObject({ message: "hung up" });
                outcomes.hungUp++;
              },
            );
          clearTimeout(timer);
        }
      };
      const patient = async () => {
        while (left > 0) expect(await busy.run("select pg_sleep(0.001)", [])).toHaveLength(1);
      };
      await Promise.all([impatient(), impatient(), patient(), patient(), patient()]);
      expect(outcomes.hungUp).toBeGreaterThan(0);
    });

    it("ends a statement that runs too long", async () => {
      const hasty = await start({ statementTimeout: 100 });
      await expect(hasty.run("select pg_sleep(30)", [])).rejects.toMatchObject({ reason: "QUERY_TIMEOUT" });
      expect(await hasty.run("select 1 as one", [])).toEqual([{ one: 1 }]);
    });

    it("ends a wait for a lock that takes too long", async () => {
      const hasty = await start({ lockTimeout: 100 });
      const letGo = await holdRow();
      await expect(needRow(hasty)).rejects.toMatchObject({ reason: "QUERY_TIMEOUT" });
      await letGo();
    });

    it("lets a lock hold up only the caller that needs it", async () => {
      const letGo = await holdRow();
      const held = needRow(database);
      await atWork(1);
      const others = Array.from({ length: 100 }, (_, i) => database.run("select $1::int as n", [i]));
      expect((await Promise.all(others)).flat()).toHaveLength(100);
      await letGo();
      expect(await held).toEqual([{ n: 1 }]);
    });

    it("says that the database is unavailable when no connection is free in time, and recovers", async () => {
      const small = await start({ poolSize: 2, acquireTimeout: 200 });
      const letGo = await holdRow();
      const held = [needRow(small), needRow(small)];
      await atWork(2);
      const before = performance.now();
      await expect(small.run("select 1", [])).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      expect(performance.now() - before).toBeLessThan(1_000);
      await letGo();
      await Promise.all(held);
      expect(await small.run("select 1 as one", [])).toEqual([{ one: 1 }]);
    });

    it("does not run what it gave up", async () => {
      const small = await start({ poolSize: 2, acquireTimeout: 100 });
      const letGo = await holdRow();
      const held = [needRow(small), needRow(small)];
      await atWork(2);
      const attempt = small.run("insert into things (id, label) values ($1, '')", [ID]);
      await expect(attempt).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      await letGo();
      await Promise.all(held);
      await Promise.all(Array.from({ length: 10 }, () => small.run("select 1", [])));
      expect(await observer`select from things`).toHaveLength(0);
    });

    it("gives a transaction no more time to wait for a connection than a statement", async () => {
      const small = await start({ poolSize: 2, acquireTimeout: 200 });
      const letGo = await holdRow();
      const held = small.transaction((db) => needRow(db));
      await atWork(1);
      const before = performance.now();
      let began = false;
      const attempt = small.transaction(async () => {
        began = true;
      });
      await expect(attempt).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      expect(performance.now() - before).toBeLessThan(1_000);
      await letGo();
      await held;
      await small.transaction((db) => db.run("select 1", []));
      expect(began).toBe(false);
    });
  });

  describe("transactions", () => {
    const add = (db: Db, id = ID) => db.run("insert into things (id, label) values ($1, '')", [id]);

    it("show their work to others when they are committed, and not before", async () => {
      const answer = await database.transaction(async (db) => {
        await add(db);
        expect(await db.run("select id from things", [])).toEqual([{ id: ID }]);
        expect(await database.run("select id from things", [])).toEqual([]);
        return "the answer";
      });
      expect(answer).toBe("the answer");
      expect(await database.run("select id from things", [])).toEqual([{ id: ID }]);
    });

    it("leave nothing behind when their work throws, and pass on what it threw", async () => {
      const reason = new DomainError("MESSAGE_TO_SELF");
      const attempt = database.transaction(async (db) => {
        await add(db);
        throw reason;
      });
      await expect(attempt).rejects.toBe(reason);
      expect(await observer`select from things`).toHaveLength(0);
    });

    it("leave nothing behind when a statement fails, even if its error was caught", async () => {
      const attempt = database.transaction(async (db) => {
        await add(db);
        await add(db).catch(() => {});
      });
      await expect(attempt).rejects.toBeInstanceOf(ConstraintError);
      expect(await observer`select from things`).toHaveLength(0);
    });

    it("run several statements side by side in the order they were given", async () => {
      await database.transaction(async (db) => {
        const adding = add(db);
        const counting = db.run("select count(*)::int as n from things", []);
        expect((await Promise.all([adding, counting]))[1]).toEqual([{ n: 1 }]);
      });
    });

    it("do not hold up statements when all of them wait", async () => {
      const letGo = await holdRow();
      const held = Array.from({ length: 6 }, () => database.transaction((db) => needRow(db)).catch(() => {}));
      await atWork(1);
      expect(await database.run("select 1 as one", [])).toEqual([{ one: 1 }]);
      await letGo();
      await Promise.all(held);
    });

    it("are undone when the connection breaks in the middle", async () => {
      const attempt = database.transaction(async (db) => {
        await add(db);
        await observer`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and application_name = 'backstay' and state = 'idle in transaction'`;
        await db.run("select 1", []);
      });
      await expect(attempt).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      expect(await observer`select from things`).toHaveLength(0);
      expect(await database.transaction((db) => db.run("select 1 as one", []))).toEqual([{ one: 1 }]);
    });
  });

  describe("batches", () => {
    it("commit as one and answer the rows of their last statement", async () => {
      const rows = await database.batch(
        `insert into tally values (3, 1); select n, value as tally_value from tally where n = 3`,
      );
      expect(rows).toEqual([{ n: 3, tallyValue: 1 }]);
      expect(await database.batch("delete from tally where n = 3; select 1 where false")).toEqual([]);
    });

    it("leave nothing behind when one of their statements fails", async () => {
      await expect(
        database.batch("insert into tally values (4, 1); insert into tally values (4, 2)"),
      ).rejects.toMatchObject({
        kind: "unique",
        constraint: "tally_pkey",
      });
      expect(await observer`select from tally where n = 4`).toHaveLength(0);
    });
  });

  describe("a database that goes and comes back", () => {
    it("is unavailable before start and after stop, and may be stopped twice or without a start", async () => {
      const one = make(url, LIMITS);
      const away = { reason: "DATABASE_UNAVAILABLE" };
      await one.stop();
      await expect(async () => one.run("select 1", [])).rejects.toMatchObject(away);
      await one.start();
      expect(await one.run("select 1 as one", [])).toEqual([{ one: 1 }]);
      await Promise.all([one.stop(), one.stop()]);
      await expect(async () => one.run("select 1", [])).rejects.toMatchObject(away);
      await expect(async () => one.transaction(async () => {})).rejects.toMatchObject(away);
      await expect(async () => one.batch("select 1")).rejects.toMatchObject(away);
    });

    it("is unavailable while nothing can connect, and answers again by itself", async () => {
      const { proxy, database: far } = await proxied({ acquireTimeout: 500 });
      await far.run("select 1", []);
      await proxy.cut();
      const away = { reason: "DATABASE_UNAVAILABLE" };
      const before = performance.now();
      await expect(far.run("select 1", [])).rejects.toMatchObject(away);
      await expect(far.transaction(async () => {})).rejects.toMatchObject(away);
      await expect(far.batch("select 1")).rejects.toMatchObject(away);
      expect(performance.now() - before).toBeLessThan(3_000);
      await proxy.mend();
      await comesBack(far);
    });

    it("tells the caller whose statement it was when a connection breaks", async () => {
      const { proxy, database: far } = await proxied();
      const sleeping = far.run("select pg_sleep(30)", []);
      await atWork(1);
      await proxy.cut();
      await expect(sleeping).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
    });

    it("never takes a statement for done that was lost with its connection, and answers every one", async () => {
      const { proxy, database: far } = await proxied({ acquireTimeout: 500, statementTimeout: 1_000 });
      const done: string[] = [];
      let refused = 0;
      const add = async () => {
        const id = randomUUID().replaceAll("-", "");
        const rows = await far
          .run("insert into things (id, label) values ($1, '') returning id", [id])
          .catch((error) => {
            expect(error).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
            refused++;
          });
        if (rows === undefined) return;
        expect(rows).toEqual([{ id }]);
        done.push(id);
      };
      // Statements come at every moment of a connection's end: before it is known, while it is, and after.
      for (let round = 0; round < 40; round++) {
        await Promise.all([add(), add(), add(), add()]);
        const added = [add()];
        proxy.reset();
        for (let n = 0; n < 12; n++) {
          added.push(add());
          await (n % 3 === 0
            ? null
            : new Promise((resolve) => (n % 3 === 1 ? setImmediate(resolve) : setTimeout(resolve, 1))));
        }
        await Promise.all(added);
      }
      const kept = await observer`select id from things`;
      const ids = new Set(kept.map(({ id }) => (id as string).replaceAll("-", "")));
      expect(done.filter((id) => !ids.has(id))).toEqual([]);
      expect(done.length).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
    });

    it("outlives connections that break while they are made, at whatever point of it", async () => {
      for (const nth of [1, 2, 3, 4]) {
        const { proxy, database: far } = await proxied({ acquireTimeout: 300 });
        proxy.breakAt(nth);
        const tries = Array.from({ length: 4 }, () => far.run("select $1::int as one", [1]));
        for (const outcome of await Promise.allSettled(tries)) {
          if (outcome.status === "fulfilled") expect(outcome.value).toEqual([{ one: 1 }]);
          else expect(outcome.reason).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
        }
        proxy.breakAt(0);
        await comesBack(far);
      }
    });

    it("is unavailable in time when the server takes connections and says nothing", async () => {
      const { proxy, database: far } = await proxied({ acquireTimeout: 300 });
      proxy.hold();
      const before = performance.now();
      await expect(far.run("select 1", [])).rejects.toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
      expect(performance.now() - before).toBeLessThan(1_500);
      await proxy.mend();
      await comesBack(far);
    });

    it("loses no connection to callers that hang up while it is being made", async () => {
      const { proxy, database: far } = await proxied({ poolSize: 3, acquireTimeout: 2_000 });
      proxy.hold();
      const gone = Array.from({ length: 6 }, () => {
        const caller = new AbortController();
        const attempt = far.during(caller.signal).run("insert into things (id, label) values ($1, '')", [ID]);
        return { caller, attempt };
      });
      await proxy.held();
      for (const { caller } of gone) caller.abort(new Error("hung up"));
      for (const { attempt } of gone) await expect(attempt).rejects.toThrow("hung up");
      await proxy.mend();
      const letGo = await holdRow();
      const held = [needRow(far), needRow(far)];
      await atWork(2);
      expect(await far.run("select 1 as one", [])).toEqual([{ one: 1 }]);
      await letGo();
      await Promise.all(held);
      expect(await observer`select from things`).toHaveLength(0);
    });

    it("survives a caller that hangs up when not even a cancel request gets through", async () => {
      const { proxy, database: far } = await proxied({ statementTimeout: 600 });
      await far.run("select 1", []);
      const caller = new AbortController();
      const sleeping = far.during(caller.signal).run("select pg_sleep(30)", []);
      await atWork(1);
      await proxy.close();
      caller.abort(new Error("hung up"));
      await expect(sleeping).rejects.toThrow("hung up");
    });
  });
}

async function comesBack(database: Database): Promise<void> {
  const one = () => database.run("select 1 as one", []).catch((error: DomainError) => error.reason);
  await expect.poll(one, { timeout: 3_000, interval: 50 }).toEqual([{ one: 1 }]);
}

function busyStatements(observer: postgres.Sql) {
  return observer`select query from pg_stat_activity
    where datname = current_database() and application_name = 'backstay' and state = 'active'`.then((rows) =>
    rows.map((row) => row.query as string),
  );
}
