import { sql as piece } from "drizzle-orm";
import type postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { moveDerived, moveWithheld } from "../../../server/domains/counters/index.js";
import { type Database, statement } from "../../../server/platform/db/index.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import { createDatabaseOn, type TestDatabase } from "../../support/postgres.js";
import { countersOf, makeAccounts } from "../connections/support.js";
import { upTo, within } from "../support.js";
import "../../support/provided.js";
import openSql from "postgres";

/** Moves two counters in one statement, in the order given, as a connection and its reference do. */
interface Move {
  first: string;
  firstName: string;
  second: string;
  secondName: string;
  amount: number;
}

const move = statement<Move, never>((p) => {
  const moves = moveDerived(piece`
    select ${p.first}::uuid as account_id, ${p.firstName}::text as name, ${p.amount}::int as amount
    union all
    select ${p.second}::uuid, ${p.secondName}::text, ${p.amount}::int`);
  return piece`with moved as (${moves}) select from moved where false`;
});

const withhold = statement<Move & { viewer: string }, never>((p) => {
  const moves = moveWithheld(piece`
    select ${p.first}::uuid as account_id, ${p.viewer}::uuid as viewer_id, ${p.firstName}::text as name, ${p.amount}::int as amount
    union all
    select ${p.second}::uuid, ${p.viewer}::uuid, ${p.secondName}::text, ${p.amount}::int`);
  return piece`with moved as (${moves}) select from moved where false`;
});

let data: TestDatabase;
let sql: postgres.Sql;
let database: Database;
let star: string;
let fans: string[];
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  sql = openSql(data.url, { max: 4, onnotice: () => {} });
});
beforeEach(async () => {
  const limits = { poolSize: 16, statementTimeout: 10_000, lockTimeout: 10_000, acquireTimeout: 10_000 };
  database = postgresDatabase({ target: { url: data.url }, ...limits });
  await database.start();
  [star, ...fans] = (await makeAccounts(sql, 17)) as [string, ...string[]];
});
afterEach(() => database.stop());
afterAll(async () => {
  await sql?.end();
  await data?.drop();
});

const run = (fan: string, amount = 1) =>
  move({ db: database }, { first: fan, firstName: "like0", second: star, secondName: "like1", amount });
const slotsOf = async (name: string) =>
  sql<{ slot: number; value: number }[]>`select slot, value::int from backstay.counters
    where account_id = ${star} and name = ${name} order by slot`;

describe("a derived counter", () => {
  it("is the sum of what sixteen connections add to it and take off, exactly, in all its slots", async () => {
    let sum = 0;
    await Promise.all(
      fans.map(async (fan, n) => {
        for (const turn of upTo(50)) {
          const amount = (n + turn) % 3 === 0 ? -1 : 2;
          sum += amount;
          await run(fan, amount);
        }
      }),
    );
    expect(await countersOf(sql, star)).toEqual({ like1: sum });
    const own = await Promise.all(fans.map((fan) => countersOf(sql, fan)));
    expect(own.reduce((all, { like0 = 0 }) => all + like0, 0)).toBe(sum);
    expect((await slotsOf("like1")).length).toBeGreaterThan(1);
  });

  it("is one row as long as nobody meets anybody there", async () => {
    for (const fan of fans) await run(fan);
    expect(await slotsOf("like1")).toEqual([{ slot: 0, value: fans.length }]);
  });

  it("never waits for who is busy with it", async () => {
    await run(fans[0]!);
    await sql.begin(async (tx) => {
      await tx`update backstay.counters set value = value + 1 where account_id = ${star} and name = 'like1' and slot = 0`;
      await within(2_000, run(fans[1]!), "another slot takes it");
      expect(await countersOf(sql, star)).toEqual({ like1: 2 });
    });
    const [first, second, ...more] = await slotsOf("like1");
    expect([first, second?.value, more]).toEqual([{ slot: 0, value: 2 }, 1, []]);
    expect(second!.slot).toBeGreaterThan(0);
    expect(second!.slot).toBeLessThanOrEqual(64);
  });

  it("waits in no ring when two are moved in either order", async () => {
    const [one, two] = fans as [string, string];
    await Promise.all(
      upTo(400).map((n) => {
        const ways = [
          { first: one, firstName: "view0", second: two, secondName: "view1" },
          { first: two, firstName: "view1", second: one, secondName: "view0" },
        ];
        return move({ db: database }, { ...ways[n % 2]!, amount: 1 });
      }),
    );
    expect([await countersOf(sql, one), await countersOf(sql, two)]).toEqual([{ view0: 400 }, { view1: 400 }]);
  });

  it("is moved once by the sum of its moves, and not at all when that is nothing", async () => {
    await move({ db: database }, { first: star, firstName: "gift1", second: star, secondName: "gift1", amount: 4 });
    expect(await slotsOf("gift1")).toEqual([{ slot: 0, value: 8 }]);
    await run(fans[0]!, 0);
    expect(await slotsOf("like1")).toEqual([]);
    expect(await countersOf(sql, fans[0]!)).toEqual({});
  });
});

describe("what is withheld", () => {
  it("is counted by account, viewer and name, whoever comes at once", async () => {
    const viewer = fans[0]!;
    const both = { first: star, firstName: "like1", second: fans[1]!, secondName: "view1", viewer };
    const back = { first: fans[1]!, firstName: "view1", second: star, secondName: "like1", viewer: fans[2]! };
    await Promise.all(
      upTo(200).map((n) => withhold({ db: database }, { ...(n % 2 ? both : back), amount: n % 4 < 2 ? 3 : -1 })),
    );
    const rows =
      await sql`select replace(account_id::text, '-', '') as account, replace(viewer_id::text, '-', '') as viewer,
      name, value::int from backstay.withheld_counts where account_id in (${star}, ${fans[1]!})`;
    expect(rows).toHaveLength(4);
    for (const { viewer: of, account, name, value } of rows) {
      expect({ of, name, value }).toEqual({
        of: of === viewer ? viewer : fans[2],
        name: account === star ? "like1" : "view1",
        value: 100,
      });
    }
    expect(await countersOf(sql, star)).toEqual({});
  });
});
