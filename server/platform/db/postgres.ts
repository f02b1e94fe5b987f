import postgres from "postgres";
import { ARRAYS } from "./arrays.js";
import { type Connection, openConnection, type Query, unavailable } from "./connection.js";
import type { Database, Db } from "./db.js";
import { openPool, type Pool } from "./pool.js";
import { type Run, runTransaction } from "./transaction.js";

export interface PostgresOptions {
  /** A connection URL, or the socket directory of the embedded server. */
  target: { url: string } | { host: string; port: number; user: string; database: string };
  poolSize: number;
  /** Milliseconds a statement may run, wait for a lock, and wait for a connection. */
  statementTimeout: number;
  lockTimeout: number;
  acquireTimeout: number;
}

const OPTIONS = {
  prepared: { prepare: true, simple: false } as postgres.UnsafeQueryOptions,
  once: { prepare: false, simple: false } as postgres.UnsafeQueryOptions,
};

/** PostgreSQL 15 or newer behind the db port. */
export function postgresDatabase(options: PostgresOptions): Database {
  let pools: { statements: Pool; transactions: Pool } | undefined;

  const use = <T>(kind: "statements" | "transactions", work: (connection: Connection) => Promise<T>): Promise<T> =>
    pools === undefined ? Promise.reject(unavailable()) : pools[kind].use(work);

  const openPoolOf = (size: number) =>
    openPool(size, options.acquireTimeout, () =>
      openConnection({ connect: (onClose) => connect(options, onClose), acquireTimeout: options.acquireTimeout }),
    );

  const run: Run = (connection, text, values, signal, use = "prepared") =>
    connection.send((client) => query(client.unsafe(text, values as never[], OPTIONS[use])), signal) as Promise<
      never[]
    >;

  const on = (signal?: AbortSignal): Db => ({
    run: (text, values, how) => use("statements", (connection) => run(connection, text, values, signal, how)),
  });

  return {
    ...on(),
    during: on,
    async start() {
      // A lock holds up its own caller only, and transactions that wait for each other leave room for single statements.
      pools = {
        statements: openPoolOf(options.poolSize),
        transactions: openPoolOf(Math.ceil(options.poolSize / 2)),
      };
    },
    async stop() {
      const closing = pools;
      pools = undefined;
      await Promise.all([closing?.statements.stop(), closing?.transactions.stop()]);
    },
    transaction: (work, signal) => use("transactions", (connection) => runTransaction(connection, run, work, signal)),
    async batch<Row>(text: string): Promise<Row[]> {
      const send = (connection: Connection) => connection.send((client) => query(client.unsafe(text).simple()));
      const results = await use("statements", send);
      return (Array.isArray(results.at(-1)) ? results.at(-1) : results) as Row[];
    },
  };
}

function query(pending: Promise<unknown>): Query {
  return pending as Query;
}

function connect(options: PostgresOptions, onclose: () => void): postgres.Sql {
  const settings = {
    max: 1,
    max_pipeline: -1,
    onclose,
    connect_timeout: Math.max(1, Math.ceil(options.acquireTimeout / 1000)),
    backoff: (tries: number) => Math.min(0.05 * 2 ** tries, 1),
    idle_timeout: 60,
    // The driver would end one between two statements of a transaction.
    max_lifetime: null,
    onnotice: () => {},
    connection: {
      application_name: "backstay",
      statement_timeout: options.statementTimeout,
      lock_timeout: options.lockTimeout,
      idle_in_transaction_session_timeout: 10_000,
      TimeZone: "UTC",
      // Our statements take a millisecond; compiling one, as a stock server does on a wrong guess of rows, takes 200.
      jit: "off",
    },
    // Where this is on, a connection that is lost in its first moment ends the process.
    fetch_types: false,
    types: {
      ...ARRAYS,
      bigint: postgres.BigInt,
      uuid: { to: 2950, from: [2950], serialize: (id: string) => id, parse: (id: string) => id.replaceAll("-", "") },
    },
    transform: { column: { from: postgres.toCamel } },
  };
  return "url" in options.target
    ? postgres(options.target.url, settings)
    : postgres({ ...options.target, ...settings });
}
