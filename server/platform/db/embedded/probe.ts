import postgres from "postgres";
import { OWNER } from "./cluster.js";

/** How a server answers a caller: it serves, it is alive but not ready yet (or no longer), or nothing comes back. */
export type Answer = { kind: "ready"; version: string } | { kind: "not-ready" } | { kind: "silent" };

const CANNOT_CONNECT_NOW = "57P03";
const DUPLICATE_DATABASE = ["42P04", "23505"];

/** Asks the server behind a socket for its version. Never throws for a server that is not there. */
export async function probe(socketDir: string, port: number): Promise<Answer> {
  const sql = connect(socketDir, port);
  try {
    const [row] = await sql`select current_setting('server_version') as version`;
    return { kind: "ready", version: String(row?.version) };
  } catch (error) {
    return { kind: (error as { code?: string }).code === CANNOT_CONNECT_NOW ? "not-ready" : "silent" };
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** Makes the installation's database unless it exists. */
export async function ensureDatabase(socketDir: string, port: number): Promise<void> {
  const sql = connect(socketDir, port);
  try {
    const found = await sql`select 1 from pg_database where datname = ${OWNER}`;
    if (found.length === 0) await sql`create database ${sql(OWNER)}`;
  } catch (error) {
    // Another launcher made it in the same moment.
    if (!DUPLICATE_DATABASE.includes((error as { code?: string }).code ?? "")) throw error;
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** Whether somebody else is connected to the server. */
export async function isInUse(socketDir: string, port: number): Promise<boolean> {
  const sql = connect(socketDir, port);
  try {
    const rows = await sql`
      select 1 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1`;
    return rows.length > 0;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 0 });
  }
}

function connect(socketDir: string, port: number): postgres.Sql {
  return postgres({
    host: socketDir,
    port,
    database: "postgres",
    username: OWNER,
    max: 1,
    ssl: false,
    connect_timeout: 2,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: "backstay launcher" },
  });
}
