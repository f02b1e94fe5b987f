import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import postgres from "postgres";
import type { PostgresOptions } from "./postgres.js";

const FOLDER = new URL("./migrations/", import.meta.url);
const ADVISORY_LOCK = 7_305_000;
const OLDEST_SERVER = 150_000;

interface Migration {
  name: string;
  hash: string;
  sql: string;
}

/** The migrations of this version, in their order. */
export function readMigrations(): Migration[] {
  const journal = JSON.parse(readFileSync(new URL("meta/_journal.json", FOLDER), "utf8")) as {
    entries: { tag: string }[];
  };
  return journal.entries.map(({ tag }) => {
    const sql = readFileSync(new URL(`${tag}.sql`, FOLDER), "utf8");
    return { name: tag, hash: createHash("sha256").update(sql).digest("hex"), sql };
  });
}

/**
 * Brings the database to this version and answers the names of what it applied. Each migration is one transaction, and one
 * process at a time migrates: a process that is killed leaves the database between two migrations, never within one.
 * Throws an Error with one line for a server that is too old, or data written by a newer version.
 */
export async function migrate(target: PostgresOptions["target"], migrations = readMigrations()): Promise<string[]> {
  const settings = {
    max: 1,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: "backstay migrate" },
  };
  const sql = "url" in target ? postgres(target.url, settings) : postgres({ ...target, ...settings });
  try {
    const [server] = await sql<[{ number: number; name: string }]>`
      select current_setting('server_version_num')::int as number, current_setting('server_version') as name`;
    if (server.number < OLDEST_SERVER) {
      throw new Error(`the database is PostgreSQL ${server.name}; Backstay needs 15 or newer`);
    }
    await sql`select pg_advisory_lock(${ADVISORY_LOCK})`;
    return await applyMissing(sql, migrations);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function applyMissing(sql: postgres.Sql, migrations: Migration[]): Promise<string[]> {
  await sql`create schema if not exists backstay`;
  await sql`create table if not exists backstay.migrations (
    name text primary key, hash text not null, applied_at timestamptz not null default now())`;
  const rows = await sql<{ name: string; hash: string }[]>`select name, hash from backstay.migrations`;
  const applied = new Map(rows.map((row) => [row.name, row.hash]));
  for (const name of applied.keys()) {
    if (!migrations.some((known) => known.name === name)) {
      throw new Error(`the data was migrated by a newer Backstay (${name}); run that version, or restore a backup`);
    }
  }
  const done: string[] = [];
  for (const migration of migrations) {
    const known = applied.get(migration.name);
    if (known === migration.hash) continue;
    if (known !== undefined) throw new Error(`the migration ${migration.name} is not the one that was applied here`);
    await sql.begin(async (tx) => {
      // The first migration makes the schema that its own record stands in.
      await tx.unsafe(migration.sql.replace('CREATE SCHEMA "backstay";', ""));
      await tx`insert into backstay.migrations (name, hash) values (${migration.name}, ${migration.hash})`;
    });
    done.push(migration.name);
  }
  return done;
}
