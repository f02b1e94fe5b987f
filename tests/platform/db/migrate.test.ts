import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { migrate, readMigrations } from "../../../server/platform/db/migrate.js";
import * as schemas from "../../../server/platform/db/schemas.js";
import drizzleConfig from "../../check/drizzle.config.js";
import { SERVERS, type Server } from "../../contracts/servers.js";
import type { TestDatabase } from "../../support/postgres.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const names = readMigrations().map(({ name }) => name);
const tables = Object.values(schemas as object).filter((value): value is PgTable => value instanceof PgTable);

describe.each(SERVERS)("migrations on %s", (_, open) => {
  let server: Server;
  let data: TestDatabase;
  let sql: postgres.Sql;
  const children: ReturnType<typeof migrateElsewhere>[] = [];
  const start = (extra?: string) => {
    children.push(migrateElsewhere(data.url, extra));
    return children.at(-1)!;
  };
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    data = await server.createDatabase();
    sql = postgres(data.url, { max: 2, onnotice: () => {} });
  });
  afterEach(async () => {
    for (const { child } of children.splice(0)) child.kill("SIGKILL");
    await sql.end({ timeout: 1 });
    await data.drop();
  });

  const applied = async () =>
    (await sql`select name from backstay.migrations order by applied_at, name`).map(({ name }) => name as string);
  const add = (name: string, text: string) => [...readMigrations(), { name, hash: `hash of ${text}`, sql: text }];

  it("bring a fresh database to this version", async () => {
    expect(await migrate({ url: data.url })).toEqual(names);
    expect(await applied()).toEqual(names);
    expect(await sql`select last_offset, length(epoch) from backstay.event_log`).toEqual([
      { last_offset: "0", length: 16 },
    ]);
  });

  it("do nothing the second time", async () => {
    await migrate({ url: data.url });
    const before = await sql`select * from backstay.migrations`;
    const [epoch] = await sql`select epoch from backstay.event_log`;
    expect(await migrate({ url: data.url })).toEqual([]);
    expect(await sql`select * from backstay.migrations`).toEqual(before);
    expect(await sql`select epoch from backstay.event_log`).toEqual([epoch]);
  });

  it("apply only what is new, in their order", async () => {
    await migrate({ url: data.url });
    const more = [
      ...add("0900_first", "create table backstay.one (n int)"),
      ...add("0901_second", "select 1").slice(-1),
    ];
    expect(await migrate({ url: data.url }, more)).toEqual(["0900_first", "0901_second"]);
  });

  it("are applied by exactly one of four processes that start at once, and no other fails", async () => {
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => start().ended));
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    const answers = outcomes.map(({ output }) => JSON.parse(output) as string[]);
    expect(answers.filter((answer) => answer.length > 0)).toEqual([names]);
    expect(await applied()).toEqual(names);
  });

  it("are applied once by sixteen connections that start at once", async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, () => migrate({ url: data.url })));
    expect(answers.filter((answer) => answer.length > 0)).toEqual([names]);
  });

  it("leave nothing half done when their process is killed in the middle, and are whole after the next start", async () => {
    const text = "create table backstay.half (n int); insert into backstay.half values (1); select pg_sleep(1.5)";
    const killed = start(text);
    const asleep = async () =>
      (
        await sql`select from pg_stat_activity
        where datname = current_database() and application_name = 'backstay migrate' and wait_event = 'PgSleep'`
      ).length;
    await expect.poll(asleep, { timeout: 15_000, interval: 20 }).toBe(1);
    killed.child.kill("SIGKILL");
    await killed.ended;

    expect(await migrate({ url: data.url }, add("0900_long", text))).toEqual(["0900_long"]);
    expect(await applied()).toEqual([...names, "0900_long"]);
    expect(await sql`select * from backstay.half`).toEqual([{ n: 1 }]);
    await expectSchema(sql);
  });

  it("leave nothing behind of the one that fails, and everything of those before it", async () => {
    const broken = add("0900_broken", "create table backstay.half (n int); select 1 / 0");
    await expect(migrate({ url: data.url }, broken)).rejects.toThrow("division by zero");
    expect(await applied()).toEqual(names);
    expect(await sql`select to_regclass('backstay.half') as half`).toEqual([{ half: null }]);
    expect(await migrate({ url: data.url })).toEqual([]);
  });

  it("refuse data of a newer version, in one line, and leave it alone", async () => {
    await migrate({ url: data.url }, add("0900_from_the_future", "create table backstay.future (n int)"));
    const error = await migrate({ url: data.url }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      message:
        "the data was migrated by a newer Backstay (0900_from_the_future); run that version, or restore a backup",
    });
    expect(await applied()).toEqual([...names, "0900_from_the_future"]);
  });

  it("refuse to go on after a migration that is not the one that was applied", async () => {
    await migrate({ url: data.url });
    const changed = readMigrations().map((one, n) => (n === 0 ? { ...one, hash: "another" } : one));
    await expect(migrate({ url: data.url }, changed)).rejects.toThrow(
      `the migration ${names[0]} is not the one that was applied here`,
    );
  });

  it("make the very tables that the code describes", async () => {
    await migrate({ url: data.url });
    await expectSchema(sql);
  });
});

it("have a snapshot that agrees with the code, so that nothing is left to generate", async () => {
  const out = mkdtempSync(join(tmpdir(), "backstay-drizzle-"));
  try {
    const kept = join(root, drizzleConfig.out!);
    await promisify(execFile)("cp", ["-r", `${kept}/.`, out]);
    const kit = fileURLToPath(new URL("../../../node_modules/drizzle-kit/bin.cjs", import.meta.url));
    const flags = ["--dialect", "postgresql", "--schema", drizzleConfig.schema as string, "--out", relative(root, out)];
    const { stdout } = await promisify(execFile)(process.execPath, [kit, "generate", ...flags], { cwd: root });
    expect(stdout).toContain("No schema changes");
    const journal = (folder: string) => readFileSync(join(folder, "meta/_journal.json"), "utf8");
    expect(journal(out)).toBe(journal(kept));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});

/** Migrates in a process of its own, with one more migration if `extra` is its SQL. */
function migrateElsewhere(url: string, extra?: string) {
  const code = `
    const { migrate, readMigrations } = await import(${JSON.stringify(new URL("../../../server/platform/db/migrate.ts", import.meta.url).href)});
    const extra = process.argv[2];
    const list = extra ? [...readMigrations(), { name: "0900_long", hash: "hash of " + extra, sql: extra }] : undefined;
    console.log(JSON.stringify(await migrate({ url: process.argv[1] }, list)));`;
  const args = ["--import", "tsx", "--input-type=module", "-e", code, url, ...(extra ? [extra] : [])];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, output }));
  });
  return { child, ended };
}

/** Compares what stands in the database with what the schema files say: tables, columns, keys, checks and indexes. */
async function expectSchema(sql: postgres.Sql): Promise<void> {
  for (const table of tables) {
    const { name, schema, columns, indexes, checks, foreignKeys, primaryKeys, uniqueConstraints } =
      getTableConfig(table);
    const at = `${schema}.${name}`;
    const found = await sql`
      select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as required, atthasdef as defaulted
      from pg_attribute where attrelid = ${at}::regclass and attnum > 0 and not attisdropped order by attnum`;
    const described = columns.map((column) => ({
      name: column.name,
      type: column.getSQLType().replace("bigserial", "bigint"),
      required: column.notNull || column.primary,
      defaulted: column.hasDefault,
    }));
    expect({ at, columns: [...found] }).toEqual({ at, columns: described });

    const constraints = await sql`select conname as name, contype as kind from pg_constraint
      where conrelid = ${at}::regclass and contype in ('p', 'f', 'c', 'u')`;
    const named = (kind: string) => constraints.filter((one) => one.kind === kind).map((one) => one.name as string);
    const keys = primaryKeys.map((key) => key.getName());
    expect(named("p")).toEqual(keys.length > 0 ? keys : [`${name}_pkey`]);
    expect(named("f").sort()).toEqual(foreignKeys.map((key) => key.getName()).sort());
    expect(named("c").sort()).toEqual(checks.map((check) => check.name).sort());
    expect(named("u")).toEqual(uniqueConstraints.map((one) => one.name));

    const standing = await sql`select i.relname as name, x.indisunique as unique, (
        select array_agg(a.attname::text order by k.place) from unnest(x.indkey) with ordinality k (attnum, place)
        join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum) as columns
      from pg_index x join pg_class i on i.oid = x.indexrelid
      where x.indrelid = ${at}::regclass and not x.indisprimary order by 1`;
    const wanted = indexes.map(({ config }) => ({
      name: config.name!,
      unique: config.unique,
      // An expression has no name, on neither side.
      columns: config.columns.map((column) => (column as { name?: string }).name).filter((name) => name !== undefined),
    }));
    expect([...standing]).toEqual(wanted.sort((a, b) => (a.name < b.name ? -1 : 1)));
  }
  const others =
    await sql`select relname from pg_class where relnamespace = 'backstay'::regnamespace and relkind = 'r'`;
  const known = tables.map((table) => getTableConfig(table).name);
  const own = ["migrations", "half"];
  expect(
    others
      .map(({ relname }) => relname as string)
      .filter((name) => !own.includes(name))
      .sort(),
  ).toEqual(known.sort());
}
