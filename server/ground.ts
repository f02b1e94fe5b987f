import type { Config } from "./config.js";
import { migrate } from "./platform/db/migrate.js";
import type { Home } from "./platform/home.js";
import { describeError, type Log } from "./platform/log.js";

/** What stands once on a machine, however many processes serve on it. */
export interface Ground {
  /** Where the database is. */
  target: Parameters<typeof migrate>[0];
  /** What holds the data, in words. */
  database: string;
  /** Applied migrations, in their order. */
  migrated: string[];
  /** What an operator should be told. */
  notes: string[];
}

/** The home, which is taken, and the database, which is there and migrated. */
export interface GroundWork {
  start(): Promise<Ground>;
  /** Tells other commands where the server listens. */
  announce(url: string): void;
  /** Ends the database if it is the home's own, and gives the home back. May be called during the start. */
  stop(): Promise<void>;
}

/** The home's own PostgreSQL, as its launcher gives it. */
interface OwnDatabase {
  start(): Promise<{
    host: string;
    port: number;
    user: string;
    database: string;
    dataDir: string;
    version: string;
    note?: string;
  }>;
  isDown(): boolean;
  stop(): Promise<void>;
}

const SUPERVISE_EVERY = 500;

/** `ownDatabase` is started unless the configuration names a server. */
export function createGround(config: Config, home: Home, log: Log, ownDatabase: () => OwnDatabase): GroundWork {
  const ending = new AbortController();
  const own = config["database.url"] === "" ? ownDatabase() : undefined;
  let starting: Promise<Ground> | undefined;
  let supervising: NodeJS.Timeout | undefined;

  const start = async (): Promise<Ground> => {
    home.take();
    // Made here, once, if there are none.
    if (config.secret === "") home.secret();
    home.adminToken();
    const found = await (own === undefined ? given(config["database.url"]) : startOwn(own));
    ending.signal.throwIfAborted();
    const migrated = await migrate(found.target);
    ending.signal.throwIfAborted();
    return { ...found, migrated };
  };

  const given = async (url: string) => ({ target: { url }, database: `PostgreSQL at ${new URL(url).host}`, notes: [] });

  const startOwn = async (postgres: OwnDatabase) => {
    const { host, port, user, database, dataDir, version, note } = await postgres.start();
    ending.signal.throwIfAborted();
    supervising = setInterval(() => bringBack(postgres), SUPERVISE_EVERY);
    const words = `embedded PostgreSQL ${version} in ${dataDir}`;
    return { target: { host, port, user, database }, database: words, notes: note === undefined ? [] : [note] };
  };

  /** Brings a database that died back: until then calls answer `unavailable`. */
  const bringBack = (postgres: OwnDatabase) => {
    if (!postgres.isDown()) return;
    log.warn({}, "the embedded PostgreSQL died and is started again");
    postgres.start().catch((error) => log.error(describeError(error), "the embedded PostgreSQL does not start"));
  };

  return {
    start() {
      starting = start();
      return starting;
    },
    announce: (url) => home.announce(url),
    async stop() {
      ending.abort(new Error("the server was stopped while it started"));
      clearInterval(supervising);
      await own?.stop();
      // A start that was under way ends at its next step.
      await starting?.catch(() => {});
      home.release();
    },
  };
}
