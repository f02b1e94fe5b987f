import { chmod, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { type EmbeddedAddress, embeddedPostgres } from "../server/platform/db/embedded/launcher.js";
import { readPidFile } from "../server/platform/db/embedded/pid-file.js";
import { migrate } from "../server/platform/db/migrate.js";
import { type Person, signUp } from "./people.js";
import { databaseMiB, ROOT, residentMiB, type Server, startServer } from "./processes.js";

const RECIPIENTS = 200;
const SENDERS = 4;
const POOL = 10;
const REFERENCE_DATABASE = "bench_reference";

/** Everything that is measured, running. */
export interface Subjects {
  readonly backstay: Server;
  readonly echo: Server;
  readonly bareSend: Server;
  readonly grpcJs: Server;
  readonly database: { version: string; pid: number };
  /** Accounts both databases have. */
  readonly recipients: readonly string[];
  readonly senders: readonly Person[];
  /** Milliseconds from spawn to ready line. */
  readonly start: { coldMs: number; warmMs: number };
  readonly idle: { backstayMiB: number; databaseMiB: number };
  /** Keeps what a round leaves behind from weighing on the next. */
  betweenRounds(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts them all: Backstay twice, on an empty home and again on the same, and the references beside its second run. */
export async function startSubjects(options: { profileDir: string | undefined }): Promise<Subjects> {
  const home = await mkdtemp(join(tmpdir(), "backstay-bench-"));
  await chmod(home, 0o711);
  const stops: (() => Promise<unknown>)[] = [() => rm(home, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  const started = async (args: string[]) => {
    const server = await startServer(args);
    stops.push(() => server.stop());
    return server;
  };
  try {
    const logFile = join(home, "log", "bench.log");
    const profile = options.profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", options.profileDir];
    const cold = await startServer(backstayArgs(home, logFile));
    await cold.stop();
    const backstay = await started([...profile, ...backstayArgs(home, logFile)]);
    const embedded = embeddedPostgres({ home, log: () => {}, shared: true });
    const address = await embedded.start();
    // The data is elsewhere when the temporary folder is closed to the database's user.
    if (!address.dataDir.startsWith(home)) {
      stops.splice(1, 0, () => rm(dirname(address.dataDir), { recursive: true, force: true }));
    }
    const database = { version: address.version, pid: readPidFile(address.dataDir)!.pid };
    const idle = { backstayMiB: residentMiB(backstay.pid), databaseMiB: databaseMiB(database.pid) };

    const ours = postgres({ ...serverOf(address), max: 1 });
    stops.push(() => ours.end({ timeout: 1 }));
    await ours.unsafe(`create database ${REFERENCE_DATABASE}`);
    const reference = { ...serverOf(address), database: REFERENCE_DATABASE };
    await migrate(reference);
    const recipients = await seed([serverOf(address), reference]);

    return {
      backstay,
      echo: await started([join(ROOT, "bench/echo-server.mjs")]),
      bareSend: await started([join(ROOT, "bench/send-server.mjs"), JSON.stringify({ ...reference, max: POOL })]),
      grpcJs: await started(["--import", "tsx", join(ROOT, "bench/grpc-server.ts")]),
      database,
      recipients,
      senders: await Promise.all(Array.from({ length: SENDERS }, (_, n) => signUp(backstay.port, `sender-${n}`))),
      start: { coldMs: cold.startMs, warmMs: backstay.startMs },
      idle,
      async betweenRounds() {
        await drained(ours);
        // It is opened to append: what comes next begins it anew.
        await truncate(logFile);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As in production, but for budgets: one address makes all the calls here. */
function backstayArgs(home: string, logFile: string): string[] {
  const settings = ["--home", home, "--port", "0", "--log-file", logFile, "--limits-rate", "off"];
  return [join(ROOT, "server/cli/bin.mjs"), "serve", ...settings, "--database-pool-size", String(POOL)];
}

function serverOf({ host, port, user, database }: EmbeddedAddress) {
  return { host, port, user, database };
}

/** Makes the same recipients in each database and answers their ids. */
async function seed(databases: { host: string; port: number; user: string; database: string }[]): Promise<string[]> {
  const ids = Array.from({ length: RECIPIENTS }, (_, n) => `0192f000000070008000${n.toString(16).padStart(12, "0")}`);
  for (const database of databases) {
    const sql = postgres({ ...database, max: 1 });
    await sql`insert into backstay.accounts
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select id, 'Recipient', 'Recipient', 'someone@example.org', '', '', '', '', '{}', now(), now()
      from unnest(${ids}::uuid[]) as id`;
    await sql.end();
  }
  return ids;
}

/** Waits until the relay has moved every event. */
async function drained(sql: postgres.Sql): Promise<void> {
  for (let left = 500; left > 0; left--) {
    const [row] = await sql`select exists (select 1 from backstay.outbox) as waiting`;
    if (!row?.waiting) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the relay has not moved all events after 10 s");
}
