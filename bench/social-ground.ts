import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { shareGround } from "../server/app.js";
import { freePort } from "../server/cli/free-port.js";
import { migrate } from "../server/platform/db/migrate.js";
import { type Person, post } from "./people.js";
import { ROOT, type Server, startServer } from "./processes.js";

/** Connections to the database, of each who has some: the server's default. */
export const POOL = 10;

/** A Backstay, the reference of its PutConnection, and a database for statements alone, all on one PostgreSQL. */
export interface SocialGround {
  readonly version: string;
  /** The postmaster. */
  readonly databasePid: number;
  readonly server: Server;
  readonly bare: Server;
  /** Accounts that the server and the reference both have: who likes, each of whom has liked before, and who is liked. */
  readonly likers: readonly Person[];
  readonly peers: readonly string[];
  /** The server's database, and one that nobody has written to. */
  readonly serverUrl: string;
  readonly emptyUrl: string;
  /** Keeps what a round leaves behind from weighing on the next. */
  betweenRounds(): Promise<void>;
  stop(): Promise<void>;
}

/** Accounts as a bench makes them, with ids of its own. */
export async function seedAccounts(sql: postgres.Sql, ids: readonly string[]): Promise<void> {
  await sql`insert into backstay.accounts
      (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
    select id, 'Somebody', 'Somebody', '', '', '', '', '', '{}', now(), now() from unnest(${ids as string[]}::uuid[]) as id`;
}

/** Has each of these like somebody: whoever has liked before has a counter. */
export async function seedLikes(sql: postgres.Sql, likers: readonly string[], peer: string): Promise<void> {
  await sql`with liked as (
      insert into backstay.connections
        (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
      select id, 'like', ${peer}::uuid, gen_random_uuid(), gen_random_uuid(), '{}', now(), now()
      from unnest(${likers as string[]}::uuid[]) as id
    ), received as (
      insert into backstay.counters (account_id, name, value)
      values (${peer}::uuid, 'like1', ${likers.length})
    )
    insert into backstay.counters (account_id, name, value)
    select id, 'like0', 1 from unnest(${likers as string[]}::uuid[]) as id`;
}

/** Starts them all. */
export async function startSocialGround(options: {
  likers: number;
  peers: number;
  /** Where a CPU profile of Backstay is to go. */
  profileDir: string | undefined;
}): Promise<SocialGround> {
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
  const opened = (url: string) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    stops.push(() => sql.end({ timeout: 1 }));
    return sql;
  };
  try {
    const ground = await shareGround(home, await freePort());
    stops.push(() => ground.stop());
    const logFile = join(home, "log", "bench.log");
    const { profileDir } = options;
    const server = await started([
      ...(profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir]),
      ...[join(ROOT, "server/cli/bin.mjs"), "serve", "--home", join(home, "server"), "--port", "0"],
      ...["--database-url", ground.databaseUrl, "--secret", ground.secret, "--database-pool-size", String(POOL)],
      // One address makes all the calls here, for people without a login.
      ...["--log-file", logFile, "--limits-rate", "off", "--auth-anonymous", "on"],
    ]);
    const ours = opened(ground.databaseUrl);
    const databaseOf = async (name: string) => {
      await ours.unsafe(`create database ${name}`);
      const url = Object.assign(new URL(ground.databaseUrl), { pathname: name }).href;
      await migrate({ url });
      return url;
    };
    const referenceUrl = await databaseOf("bench_reference");
    const reference = opened(referenceUrl);
    const likers = await people(server.port, options.likers);
    const [first, ...peers] = Array.from({ length: options.peers + 1 }, () => crypto.randomUUID().replaceAll("-", ""));
    const ids = likers.map(({ id }) => id);
    await seedAccounts(reference, ids);
    for (const sql of [ours, reference]) {
      await seedAccounts(sql, [first!, ...peers]);
      await seedLikes(sql, ids, first!);
      await sql`vacuum analyze`;
    }
    const { hostname: host, port, username: user, pathname } = new URL(referenceUrl);
    const driver = { host, port: Number(port), user, database: pathname.slice(1), max: POOL };
    return {
      version: ground.version,
      databasePid: await postmasterOf(ours),
      server,
      bare: await started([join(ROOT, "bench/put-server.mjs"), JSON.stringify(driver)]),
      likers,
      peers,
      serverUrl: ground.databaseUrl,
      emptyUrl: await databaseOf("bench_statements"),
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

/** People without a login: no hash is made for them. */
async function people(port: number, count: number): Promise<Person[]> {
  const found: Person[] = [];
  const sign = async () => {
    while (found.length < count) {
      const { account, tokens } = (await post(port, "/v1/auth/anonymous", {})) as {
        account: { id: string };
        tokens: { accessToken: string };
      };
      found.push({ id: account.id, token: tokens.accessToken });
    }
  };
  await Promise.all(Array.from({ length: 16 }, sign));
  return found.slice(0, count);
}

/** The process whose children serve the connections. */
async function postmasterOf(sql: postgres.Sql): Promise<number> {
  const [row] = await sql`select pg_backend_pid() as pid`;
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${row!.pid}/status`, "latin1"))![1]);
}

/** Waits until the relay has moved every event. */
async function drained(sql: postgres.Sql): Promise<void> {
  for (let left = 1_500; left > 0; left--) {
    const [row] = await sql`select exists (select 1 from backstay.outbox) as waiting`;
    if (!row?.waiting) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("the relay has not moved all events after 30 s");
}
