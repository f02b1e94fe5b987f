import postgres from "postgres";
import { DomainError } from "../../kernel/errors.js";
import type { Database, Db } from "./db.js";
import { translate } from "./driver-errors.js";

export interface PostgresOptions {
  /** A connection URL, or the socket directory of the embedded server. */
  target: { url: string } | { host: string; port: number; user: string; database: string };
  poolSize: number;
  /** Milliseconds a statement may run, wait for a lock, and wait for a connection. */
  statementTimeout: number;
  lockTimeout: number;
  acquireTimeout: number;
}

type Client = ReturnType<typeof connect>;
type Running = postgres.PendingQuery<postgres.Row[]> & { active?: boolean };

/** PostgreSQL 15 or newer behind the db port. */
export function postgresDatabase(options: PostgresOptions): Database {
  let clients: { statements: Client; transactions: Client } | undefined;
  let sweeper: NodeJS.Timeout | undefined;
  const waiting = new Map<Running, number>();

  const open = () => {
    if (clients === undefined) throw new DomainError("DATABASE_UNAVAILABLE");
    return clients;
  };
  const pool = () => open().statements;

  // The driver lets a query wait for a connection for ever; a caller should rather hear that the database is away.
  const sweep = () => {
    const oldest = performance.now() - options.acquireTimeout;
    for (const [query, since] of waiting) {
      if (query.active) waiting.delete(query);
      else if (since < oldest) query.cancel();
    }
  };

  const tracked = async <T extends postgres.Row[]>(query: Running, signal?: AbortSignal): Promise<T> => {
    waiting.set(query, performance.now());
    try {
      return (await settle(query, signal)) as T;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if ((error as { code?: string }).code === "57014" && !query.active) {
        throw new DomainError("DATABASE_UNAVAILABLE", undefined, { retryAfterMs: 500 });
      }
      throw translate(error);
    } finally {
      waiting.delete(query);
    }
  };

  const on = (target: () => Pick<Client, "unsafe">, signal?: AbortSignal): Db => ({
    run: <Row>(text: string, values: readonly unknown[]) =>
      tracked(
        target().unsafe(text, values as never[], { prepare: true, simple: false } as postgres.UnsafeQueryOptions),
        signal,
      ) as Promise<Row[]>,
  });

  return {
    ...on(pool),
    during: (signal) => on(pool, signal),
    async start() {
      clients = {
        // No statement waits behind another's on one connection: a lock holds up its own caller only, and a cancel
        // request, which names a connection, can hit no other's statement.
        statements: connect(options, { max: options.poolSize, max_pipeline: -1 }),
        // The driver reserves a connection for a transaction only where it may pipeline.
        transactions: connect(options, { max: Math.ceil(options.poolSize / 2) }),
      };
      sweeper = setInterval(sweep, 100);
      sweeper.unref();
    },
    async stop() {
      clearInterval(sweeper);
      const closing = clients;
      clients = undefined;
      await Promise.all([closing?.statements.end({ timeout: 3 }), closing?.transactions.end({ timeout: 3 })]);
    },
    async transaction(work, signal) {
      try {
        return (await open().transactions.begin((sql) => work(on(() => sql as unknown as Client, signal)))) as never;
      } catch (error) {
        throw translate(error);
      }
    },
    async batch<Row>(text: string): Promise<Row[]> {
      const results = await tracked<postgres.Row[]>(pool().unsafe(text).simple() as unknown as Running);
      return (Array.isArray(results.at(-1)) ? results.at(-1) : results) as Row[];
    },
  };
}

async function settle(query: Running, signal: AbortSignal | undefined): Promise<postgres.Row[]> {
  if (signal === undefined) return query;
  if (signal.aborted) throw signal.reason;
  const cancel = () => query.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await query;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function connect(options: PostgresOptions, sizes: { max: number; max_pipeline?: number }) {
  const settings = {
    ...sizes,
    connect_timeout: Math.max(1, Math.ceil(options.acquireTimeout / 1000)),
    backoff: (tries: number) => Math.min(0.05 * 2 ** tries, 1),
    idle_timeout: 60,
    onnotice: () => {},
    connection: {
      application_name: "backstay",
      statement_timeout: options.statementTimeout,
      lock_timeout: options.lockTimeout,
      idle_in_transaction_session_timeout: 10_000,
      TimeZone: "UTC",
    },
    types: {
      bigint: postgres.BigInt,
      uuid: { to: 2950, from: [2950], serialize: (id: string) => id, parse: (id: string) => id.replaceAll("-", "") },
    },
    transform: { column: { from: postgres.toCamel } },
  };
  return "url" in options.target
    ? postgres(options.target.url, settings)
    : postgres({ ...options.target, ...settings });
}
