import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { freePort } from "../../server/cli/free-port.js";
import type { Binaries } from "../../server/platform/db/embedded/binaries.js";
import { ensureCluster, OWNER } from "../../server/platform/db/embedded/cluster.js";
import { embeddedPostgres } from "../../server/platform/db/embedded/launcher.js";
import { readPidFile } from "../../server/platform/db/embedded/pid-file.js";
import { type Place, preparePlace } from "../../server/platform/db/embedded/place.js";
import { launch, type Postmaster } from "../../server/platform/db/embedded/postmaster.js";
import { findRunning, stopServer } from "../../server/platform/db/embedded/running.js";
import { makeSocketDir, removeSocketDir } from "../../server/platform/db/embedded/socket-dir.js";
import { isAlive } from "../../server/platform/process.js";
import { findSystemPostgres } from "./system-postgres.js";

/** A database of a test, with the url that postgres.js and DATABASE_URL take. */
export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** A PostgreSQL server for tests, private to them unless TEST_DATABASE_URL names it. */
export interface TestServer {
  /** The superuser's url of the database postgres, over loopback TCP: postgres.js takes no socket folder in a url. */
  readonly url: string;
  /** The major version. */
  readonly version: number;
  /** Makes a database, empty or a copy of `template`. */
  createDatabase(template?: string): Promise<TestDatabase>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
  /** Kills the server as a crash does; `restart` brings it back. */
  kill9(): void;
  /** Starts the server again under the same url with the same data, having stopped it if it runs. */
  restart(): Promise<void>;
}

const HOME_PREFIX = "backstay-test-";

/** Starts a private PostgreSQL 18, the embedded one, with the durability that an installation has. */
export async function startPostgres18(): Promise<TestServer> {
  await removeAbandoned();
  return inNewHome(async (home, port) => {
    const launcher = embeddedPostgres({ home, log: () => {}, listenPort: port });
    const { dataDir } = await launcher.start();
    return testServer(18, port, {
      stop: () => launcher.stop().then(() => removeHome(home, dataDir)),
      kill9: () => kill9(dataDir),
      restart: async () => {
        await launcher.stop();
        await launcher.start();
      },
    });
  });
}

/**
 * Starts a private PostgreSQL 15 (or 16, 17) from this machine's packages, or takes the server of TEST_DATABASE_URL. Throws one
 * clear line when there is none: a backend that is missing fails the run, it does not skip tests.
 */
export async function startPostgres15(): Promise<TestServer> {
  const given = process.env.TEST_DATABASE_URL;
  if (given) return givenServer(given);
  await removeAbandoned();
  const found = await findSystemPostgres();
  return inNewHome(async (home, port) => {
    const place = await preparePlace(home);
    let running = await startSystem(place, found.binaries, port);
    const stop = async () => {
      await stopServer(running.pid, running.isGone);
      await removeSocketDir(running.socketDir);
    };
    return testServer(found.version, port, {
      stop: () => stop().then(() => removeHome(home, place.dataDir)),
      kill9: () => kill9(place.dataDir),
      restart: async () => {
        await stop();
        running = await startSystem(place, found.binaries, port);
      },
    });
  });
}

async function startSystem(place: Place, binaries: Binaries, port: number) {
  const socketDir = await makeSocketDir(place.user);
  const address = { socketDir, port, listens: true };
  await ensureCluster(place, binaries, true);
  const deadline = Date.now() + 20_000;
  for (;;) {
    const outcome = await launch(place, binaries, address, () => {}, new AbortController().signal);
    if (outcome.kind === "ready") return { ...(outcome.server satisfies Postmaster), socketDir };
    if (Date.now() > deadline) throw new Error(`The test server of ${place.dataDir} does not start: ${outcome.kind}.`);
  }
}

function testServer(version: number, port: number, life: Pick<TestServer, "stop" | "kill9" | "restart">): TestServer {
  const url = `postgres://${OWNER}@127.0.0.1:${port}/postgres`;
  return { url, version, createDatabase: (template) => createDatabaseOn(url, template), ...life };
}

async function givenServer(url: string): Promise<TestServer> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [row] = await sql`select current_setting('server_version_num')::int / 10000 as major`.finally(() => sql.end());
  const refuse = () => {
    throw new Error("The server of TEST_DATABASE_URL is not ours to kill or restart: unset it for this test.");
  };
  return {
    url,
    version: Number(row?.major),
    createDatabase: (template) => createDatabaseOn(url, template),
    stop: async () => {},
    kill9: refuse,
    restart: async () => refuse(),
  };
}

/** Makes a database on the server of an admin url, empty or a copy of `template`. */
export async function createDatabaseOn(adminUrl: string, template?: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const copied = template === undefined ? "" : ` template "${template}"`;
  await runOn(adminUrl, `create database "${name}"${copied}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, name, drop: () => runOn(adminUrl, `drop database if exists "${name}" with (force)`) };
}

async function runOn(url: string, statement: string): Promise<void> {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  await sql.unsafe(statement).finally(() => sql.end());
}

function kill9(dataDir: string): void {
  const file = readPidFile(dataDir);
  if (file) process.kill(file.pid, "SIGKILL");
}

/** Between our finding a free port and the server's taking it another process may be faster. */
async function inNewHome<T>(use: (home: string, port: number) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), `${HOME_PREFIX}${process.pid}-`));
  await chmod(home, 0o711);
  for (let left = 5; ; left--) {
    try {
      return await use(home, await freePort());
    } catch (error) {
      if (left > 0 && /could not (bind|create any TCP)/.test(String(error))) continue;
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  }
}

async function removeHome(home: string, dataDir: string): Promise<void> {
  await rm(home, { recursive: true, force: true });
  // The data is elsewhere when the temporary folder is closed to the server's user.
  if (existsSync(dataDir)) await rm(dirname(dataDir), { recursive: true, force: true });
}

/** Ends the servers of runs that were killed, which would go on for ever. */
async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(HOME_PREFIX) || isAlive(Number.parseInt(name.slice(HOME_PREFIX.length), 10))) continue;
    // Another run may clear the same one up just now, or it is another user's: no reason to fail.
    await removeServer(join(tmpdir(), name)).catch(() => {});
  }
}

async function removeServer(home: string): Promise<void> {
  const dataDir = join(home, "var", "postgres");
  const { server, staleSocketDir } = await findRunning(dataDir, () => {}, AbortSignal.timeout(15_000));
  if (server) await stopServer(server.pid);
  await removeSocketDir(server?.socketDir ?? staleSocketDir ?? "");
  await removeHome(home, dataDir);
}
