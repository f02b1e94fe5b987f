import postgres from "postgres";
import { DomainError } from "../../kernel/errors.js";
import type { Database, Db } from "./db.js";
import { translate } from "./driver-errors.js";
import { openSessions, type Sessions } from "./sessions.js";

export interface PostgresOptions {
  /** A connection URL, or the socket directory of the embedded server. */
  target: { url: string } | { host: string; port: number; user: string; database: string };
  poolSize: number;
  /** Milliseconds a statement may run, wait for a lock, and wait for a connection. */
  statementTimeout: number;
  lockTimeout: number;
  acquireTimeout: number;
}

const PREPARED = { prepare: true, simple: false } as postgres.UnsafeQueryOptions;

/** How late a cancel request may arrive, and how often one statement may meet one. */
const STRAY_MS = 1_000;
const MOST_STRAYS = 3;

type Client = ReturnType<typeof connect>;

/** A statement of the driver, with what it does not declare: where it was sent to, and what it is made of until then. */
interface Running extends Promise<postgres.Row[]> {
  state: object | null;
  canceller: ((query: Running) => Promise<void>) | null;
  strings: string[];
  args: unknown[];
  reject(error: unknown): void;
}

/** PostgreSQL 15 or newer behind the db port. */
export function postgresDatabase(options: PostgresOptions): Database {
  let pools: { statements: Client; sessions: Sessions } | undefined;
  let sweeper: NodeJS.Timeout | undefined;
  const waiting = new Map<Running, number>();
  let cancelledAt = Number.NEGATIVE_INFINITY;

  const open = () => {
    if (pools === undefined) throw new DomainError("DATABASE_UNAVAILABLE");
    return pools;
  };

  // The driver lets a query wait for a connection for ever; a caller should rather hear that the database is away.
  const sweep = () => {
    const oldest = performance.now() - options.acquireTimeout;
    for (const [query, since] of waiting) {
      if (query.state !== null) waiting.delete(query);
      else if (since < oldest) giveUp(query, new DomainError("DATABASE_UNAVAILABLE", undefined, { retryAfterMs: 500 }));
    }
  };

  const tracked = async (query: Running, signal?: AbortSignal): Promise<postgres.Row[]> => {
    waiting.set(query, performance.now());
    try {
      return await settle(query, signal);
    } catch (error) {
      throw signal?.aborted ? signal.reason : translate(error);
    } finally {
      waiting.delete(query);
    }
  };

  const settle = async (query: Running, signal: AbortSignal | undefined): Promise<postgres.Row[]> => {
    if (signal === undefined) return query;
    if (signal.aborted) throw signal.reason;
    const cancel = () => giveUp(query, signal.reason);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      return await query;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  };

  /** Ends a statement nobody waits for any more: in the database when it was sent there, and else before it is. */
  const giveUp = (query: Running, reason: unknown) => {
    if (query.state !== null) {
      cancelledAt = performance.now();
      // `query.cancel()` drops this promise: a cancel request that does not get through would end the process.
      void query.canceller?.(query).catch(() => {});
      query.canceller = null;
      return;
    }
    // Taken back from the driver it would take along, for good, the connection that is being made for it: it becomes a blank.
    query.strings = ["select 1"];
    query.args = [];
    query.reject(reason);
  };

  const send = <Row>(client: Pick<Client, "unsafe">, text: string, values: readonly unknown[], signal?: AbortSignal) =>
    tracked(client.unsafe(text, values as never[], PREPARED) as unknown as Running, signal) as Promise<Row[]>;

  // A cancel request names a connection: one that comes late ends the statement after the one it was meant for. Outside of
  // a transaction such a statement has done nothing, and is sent again.
  const sendAlone = async <Row>(text: string, values: readonly unknown[], signal?: AbortSignal): Promise<Row[]> => {
    for (let strays = 0; ; strays++) {
      const since = performance.now();
      try {
        return await send(open().statements, text, values, signal);
      } catch (error) {
        const inTime = performance.now() - since < options.statementTimeout;
        const stray = wasCancelled(error) && !signal?.aborted && inTime && since - cancelledAt < STRAY_MS;
        if (!stray || strays === MOST_STRAYS) throw error;
      }
    }
  };

  const on = (signal?: AbortSignal): Db => ({ run: (text, values) => sendAlone(text, values, signal) });

  return {
    ...on(),
    during: on,
    async start() {
      pools = {
        // No statement waits behind another's on one connection: a lock holds up its own caller only.
        statements: connect(options, { max: options.poolSize, max_pipeline: -1 }),
        sessions: openSessions({
          size: Math.ceil(options.poolSize / 2),
          acquireTimeout: options.acquireTimeout,
          connect: (onclose) => connect(options, { max: 1, max_pipeline: -1, onclose }),
          send,
        }),
      };
      sweeper = setInterval(sweep, 100);
      sweeper.unref();
    },
    async stop() {
      const closing = pools;
      pools = undefined;
      await Promise.all([closing?.statements.end({ timeout: 3 }), closing?.sessions.stop()]);
      clearInterval(sweeper);
    },
    transaction: async (work, signal) => open().sessions.transaction(work, signal),
    async batch<Row>(text: string): Promise<Row[]> {
      const results = await tracked(open().statements.unsafe(text).simple() as unknown as Running);
      return (Array.isArray(results.at(-1)) ? results.at(-1) : results) as Row[];
    },
  };
}

function wasCancelled(error: unknown): boolean {
  return error instanceof DomainError && (error.cause as { code?: string } | undefined)?.code === "57014";
}

function connect(options: PostgresOptions, sizes: { max: number; max_pipeline: number; onclose?: () => void }) {
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
      // Our statements take a millisecond; compiling one, as a stock server does on a wrong guess of rows, takes 200.
      jit: "off",
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
