import type postgres from "postgres";

/** How many wait for a lock of a table in this database; those of other tests, on the same server, do not count. */
export async function countWaiting(sql: postgres.Sql): Promise<number> {
  const [row] = await sql`select count(*)::int as waiting from pg_locks
    where not granted and database = (select oid from pg_database where datname = current_database())`;
  return row!.waiting;
}
