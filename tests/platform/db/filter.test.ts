import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { type Columns, conditionsOf, type Filter, readPage, runSql } from "../../../server/platform/db/index.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import { createDatabaseOn, type TestDatabase } from "../../support/postgres.js";
import { fc } from "../../support/properties.js";

interface Row {
  n: number;
  name: string;
  at: Date | null;
}

const COLUMNS: Columns<Row> = {
  n: { holds: "text", sql: sql`n::text`, public: true, of: ({ n }) => String(n) },
  name: { holds: "text", sql: sql`name`, public: true, of: ({ name }) => name },
  at: { holds: "time", sql: sql`at`, public: true },
  hidden: { holds: "text", sql: sql`name`, public: false },
};

let data: TestDatabase;
let database: ReturnType<typeof postgresDatabase>;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"));
  const limits = { statementTimeout: 5_000, lockTimeout: 5_000, acquireTimeout: 5_000 };
  database = postgresDatabase({ target: { url: data.url }, poolSize: 1, ...limits });
  await database.start();
  await database.run("create table things (n int primary key, name text not null, at timestamptz)", []);
});
afterAll(async () => {
  await database.stop();
  await data.drop();
});

const filter = (column: string, op: string, ...values: (string | number)[]): Filter => ({
  column,
  op,
  values: values.map((value) => ({
    kind: { case: typeof value === "string" ? "stringValue" : "numberValue", value },
  })),
});

async function passing(filters: Filter[]): Promise<number[]> {
  const { where, tests } = conditionsOf(COLUMNS, filters);
  const page = await readPage<Row>(10_000, tests, (last, limit) =>
    runSql<Row>(
      { db: database },
      sql`select n, name, at from things where n > ${last?.n ?? -1}::int and ${where} order by n limit ${limit}::int`,
    ),
  );
  return page.rows.map(({ n }) => n);
}

async function fill(rows: { name: string; at: Date | null }[]): Promise<void> {
  await database.run("truncate things", []);
  await database.run(
    "insert into things select n - 1, name, at::timestamptz from unnest($1::text[], $2::text[]) with ordinality as t (name, at, n)",
    [rows.map(({ name }) => name), rows.map(({ at }) => at?.toISOString() ?? null)],
  );
}

/** What an operator means, said once more in JavaScript. */
const compareBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const MEANING: Record<string, (text: string, values: string[]) => boolean> = {
  eq: (text, [value]) => text === value,
  ne: (text, [value]) => text !== value,
  gt: (text, [value]) => compareBytes(text, value!) > 0,
  ge: (text, [value]) => compareBytes(text, value!) >= 0,
  lt: (text, [value]) => compareBytes(text, value!) < 0,
  le: (text, [value]) => compareBytes(text, value!) <= 0,
  begins_with: (text, [value]) => text.startsWith(value!),
  contains: (text, [value]) => text.includes(value!),
  in: (text, values) => values.includes(text),
  not_in: (text, values) => !values.includes(text),
  between: (text, [from, to]) => compareBytes(text, from!) >= 0 && compareBytes(text, to!) <= 0,
  not_between: (text, [from, to]) => compareBytes(text, from!) < 0 || compareBytes(text, to!) > 0,
  is_null: (text) => text === "",
  not_null: (text) => text !== "",
  like: (text, [pattern]) => likePattern(pattern!).test(text),
};

function likePattern(pattern: string): RegExp {
  let source = "";
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === "%") source += ".*";
    else if (character === "_") source += ".";
    else source += (character === "\\" ? characters[++at]! : character).replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  }
  return new RegExp(`^${source}$`, "su");
}

/** Texts full of what could be mistaken for something else. */
const texts = fc.string({
  unit: fc.constantFrom("a", "A", "b", "%", "_", "\\", "'", '"', "é", "É", "🐌", "\n", " ", "$1", "?", "\uffff"),
  maxLength: 6,
});
const counts: Record<string, [least: number, most: number]> = {
  in: [1, 4],
  not_in: [1, 4],
  between: [2, 2],
  not_between: [2, 2],
  is_null: [0, 0],
  not_null: [0, 0],
};
const textFilters = fc.constantFrom(...Object.keys(MEANING)).chain((op) => {
  const [minLength, maxLength] = counts[op] ?? [1, 1];
  const values = fc
    .array(texts, { minLength, maxLength })
    .filter(([first = ""]) => op !== "like" || /(?:^|[^\\])(?:\\\\)*$/.test(first));
  return values.map((some) => ({ op, values: some }));
});

describe("filters on text", () => {
  it("mean in the database what they mean in words, whatever the texts", async () => {
    const rows = fc.array(texts, { minLength: 1, maxLength: 20 });
    const filters = fc.array(textFilters, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(rows, filters, async (names, conditions) => {
        await fill(names.map((name) => ({ name, at: null })));
        const expected = [...names.keys()].filter((n) =>
          conditions.every(({ op, values }) => MEANING[op]!(names[n]!, values)),
        );
        expect(await passing(conditions.map(({ op, values }) => filter("name", op, ...values)))).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it("by pattern are those of RE2, together with the database's", async () => {
    await fill(["ab", "abb", "xabb", "AB", ""].map((name) => ({ name, at: null })));
    expect(await passing([filter("name", "matches", "^ab+$")])).toEqual([0, 1]);
    expect(await passing([filter("name", "imatches", "^ab"), filter("name", "ne", "ab")])).toEqual([1, 3]);
    expect(await passing([filter("name", "matches", "b"), filter("n", "matches", "[12]")])).toEqual([1, 2]);
  });
});

describe("filters on times", () => {
  const at = (ms: number) => new Date(Date.UTC(2031, 0, 1) + ms);

  it("take a row without a time for neither equal, earlier nor later, and for the opposite of each", async () => {
    await fill([at(0), at(1), null].map((time) => ({ name: "", at: time })));
    const value = at(0).toISOString();
    expect(await passing([filter("at", "eq", value)])).toEqual([0]);
    expect(await passing([filter("at", "ne", value)])).toEqual([1, 2]);
    expect(await passing([filter("at", "in", value, at(1).getTime())])).toEqual([0, 1]);
    expect(await passing([filter("at", "not_in", value)])).toEqual([1, 2]);
    expect(await passing([filter("at", "not_between", value, value)])).toEqual([1, 2]);
    expect(await passing([filter("at", "is_null")])).toEqual([2]);
    expect(await passing([filter("at", "lt", "9999-12-31T23:59:59Z")])).toEqual([0, 1]);
  });

  it("compare to the last digit given", async () => {
    await fill([0, 1, 2].map((ms) => ({ name: "", at: at(ms) })));
    for (const finer of ["2031-01-01T00:00:00.001000001Z", at(1).getTime() + 0.25]) {
      expect(await passing([filter("at", "eq", finer)])).toEqual([]);
      expect(await passing([filter("at", "le", finer)])).toEqual([0, 1]);
      expect(await passing([filter("at", "gt", finer)])).toEqual([2]);
    }
  });

  it.each(["2031-01-01", "2031-01-01T00:00:00", "2031-13-01T00:00:00Z", "2031-01-01T25:00:00Z", "now", "infinity", ""])(
    "refuse what is no time: %s",
    (value) => {
      expect(() => conditionsOf(COLUMNS, [filter("at", "eq", value)])).toThrow(DomainError);
    },
  );
});

describe("rights", () => {
  it("keep a column that is not public from who does not see rows whole", () => {
    const filters = [filter("hidden", "eq", "x")];
    expect(() => conditionsOf(COLUMNS, filters, { whole: false })).toThrow("hidden");
    expect(() => conditionsOf(COLUMNS, filters, { whole: true })).not.toThrow();
  });
});

it("leave nothing prepared on the connection", async () => {
  const prepared = async () =>
    (await database.run<{ kept: bigint }>("select count(*) as kept from pg_prepared_statements", []))[0]!.kept;
  const before = await prepared();
  await fill([{ name: "x", at: null }]);
  const afterFill = await prepared();
  for (let n = 0; n < 50; n++) {
    const filters = Array.from({ length: 1 + (n % 7) }, (_, i) => filter("name", i % 2 ? "ne" : "like", `${n}%`));
    await passing(filters);
    await passing([filter("name", "in", ...Array.from({ length: 1 + n }, String))]);
  }
  expect(await prepared()).toBe(afterFill);
  expect(afterFill - before).toBeLessThanOrEqual(2n);
});

it("may be read in a transaction, with what it wrote", async () => {
  await fill([]);
  const found = await database.transaction(async (db) => {
    await db.run("insert into things values (1, 'one', null)", []);
    const { where } = conditionsOf(COLUMNS, [filter("name", "eq", "one")]);
    return runSql<Row>({ db }, sql`select n from things where ${where}`);
  });
  expect(found).toEqual([{ n: 1 }]);
});
