import type postgres from "postgres";
import { DomainError } from "../../kernel/errors.js";
import { translate } from "./driver-errors.js";

/** A statement of the driver, with what it does not declare. */
export interface Query extends Promise<postgres.Row[]> {
  /** Where it was sent to; null before that. */
  state: object | null;
  canceller: ((query: Query) => Promise<void>) | null;
  strings: string[];
  args: unknown[];
}

/** One connection to the database, made when it is needed and again after it was lost. It serves one caller at a time. */
export interface Connection {
  /** Sends one statement and answers its rows; throws what the db port throws. */
  send(make: (client: postgres.Sql) => Query, signal?: AbortSignal): Promise<postgres.Row[]>;
  /** Told when the connection is lost; what was begun on it is undone then. */
  onLost: (() => void) | undefined;
  /** Resolves when no cancel request is on its way any more; absent when none is. */
  readonly settling: Promise<void> | undefined;
  /** Drops the connection, and what is open on it. */
  renew(): void;
  stop(): Promise<void>;
}

/**
 * The driver with one connection, and around it what the driver lacks: it lets a statement wait for a connection for ever;
 * it never answers one that is sent just when the connection breaks, or takes it for done with the next connection; and a
 * cancel request of its that fails ends the process.
 */
export function openConnection(parts: {
  connect(onClose: () => void): postgres.Sql;
  acquireTimeout: number;
}): Connection {
  let client: postgres.Sql;
  let isOpen = false;
  // The statement in hand, whose it is, and how its caller is told that it failed.
  let query: Query | undefined;
  let caller: AbortSignal | undefined;
  let reject: (error: unknown) => void = () => {};
  let timer: NodeJS.Timeout | undefined;

  const open = () => {
    const mine = parts.connect(() => {
      if (mine === client) lose();
    });
    client = mine;
  };

  const renew = () => {
    if (query !== undefined) blank(query);
    isOpen = false;
    void client.end({ timeout: 0 });
    open();
  };

  const lose = () => {
    isOpen = false;
    if (query?.state === null && connection.onLost === undefined) {
      // It goes out over the next connection.
      limit();
    } else if (query !== undefined) {
      renew();
      fail(unavailable());
    }
    connection.onLost?.();
  };

  /** Gives the connection only so long to be made. */
  const limit = () => {
    timer ??= setTimeout(() => {
      if (query?.state !== null) return;
      renew();
      fail(unavailable());
    }, parts.acquireTimeout);
  };

  const settle = () => {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    caller?.removeEventListener("abort", cancel);
    caller = undefined;
    query = undefined;
  };

  const fail = (error: unknown) => {
    const reason = caller?.aborted ? caller.reason : translate(error);
    settle();
    reject(reason);
  };

  const cancel = () => {
    if (query === undefined) return;
    if (query.state === null) {
      // It was to be the first on a connection that is still being made: that goes on, for the next caller.
      blank(query);
      fail(undefined);
    } else if (query.canceller !== null) {
      const { canceller } = query;
      query.canceller = null;
      const settling = canceller(query).catch(() => {});
      connection.settling = settling;
      void settling.then(() => {
        if (connection.settling === settling) connection.settling = undefined;
      });
    }
  };

  const connection: Connection & { settling: Promise<void> | undefined } = {
    onLost: undefined,
    settling: undefined,
    renew,
    send(make, signal) {
      return new Promise((resolve, refuse) => {
        if (signal?.aborted) return refuse(signal.reason);
        const mine = make(client);
        query = mine;
        reject = refuse;
        if (!isOpen) limit();
        if (signal !== undefined) {
          caller = signal;
          signal.addEventListener("abort", cancel, ONCE);
        }
        mine.then(
          (rows) => {
            if (query !== mine) return;
            if (!isDone(rows)) return fail(unavailable());
            isOpen = true;
            settle();
            resolve(rows);
          },
          (error) => {
            if (query === mine) fail(error);
          },
        );
      });
    },
    stop: () => client.end({ timeout: 3 }),
  };
  open();
  return connection;
}

const ONCE = { once: true };

/** What the driver still holds of a statement that nobody waits for shall do nothing. */
function blank(query: Query): void {
  if (query.state !== null) return;
  query.strings = ["select 1"];
  query.args = [];
}

/** Whether the server has said so; of several statements, whether it has of the last. */
function isDone(rows: postgres.Row[]): boolean {
  const last = Array.isArray(rows.at(-1)) ? rows.at(-1) : rows;
  return (last as { command?: string | null }).command != null;
}

export function unavailable(): DomainError {
  return new DomainError("DATABASE_UNAVAILABLE", undefined, { retryAfterMs: 500 });
}
