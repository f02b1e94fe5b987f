import type postgres from "postgres";
import { DomainError } from "../../kernel/errors.js";
import type { Db } from "./db.js";

/** Sends one statement over a client; throws what the db port throws. */
export type Send = <Row>(
  client: postgres.Sql,
  text: string,
  values: readonly unknown[],
  signal?: AbortSignal,
) => Promise<Row[]>;

/** Connections that one transaction at a time has to itself. */
export interface Sessions {
  transaction<T>(work: (db: Db) => Promise<T>, signal?: AbortSignal): Promise<T>;
  stop(): Promise<void>;
}

interface Session {
  client: postgres.Sql;
  /** Told when the connection is lost. */
  onClose: () => void;
}

/**
 * The driver's own transactions write to a connection that is gone, which ends the process, and wait for one for ever; so each
 * session here is a client of one connection, and a transaction that loses it sends nothing more.
 */
export function openSessions(parts: {
  size: number;
  acquireTimeout: number;
  connect(onClose: () => void): postgres.Sql;
  send: Send;
}): Sessions {
  const { connect, send } = parts;
  const queue: { take(session: Session): void; refuse(): void }[] = [];
  const open = (): Session => {
    const session: Session = { client: connect(() => session.onClose()), onClose: () => {} };
    return session;
  };
  const all = new Set(Array.from({ length: parts.size }, open));
  const free = [...all];

  const take = (): Session | Promise<Session> => {
    const session = free.pop();
    if (session !== undefined) return session;
    return new Promise((resolve, reject) => {
      const refuse = () => {
        queue.splice(queue.indexOf(waiter), 1);
        reject(new DomainError("DATABASE_UNAVAILABLE", undefined, { retryAfterMs: 500 }));
      };
      const timer = setTimeout(refuse, parts.acquireTimeout);
      const waiter = {
        refuse,
        take(given: Session) {
          clearTimeout(timer);
          resolve(given);
        },
      };
      queue.push(waiter);
    });
  };

  const give = (session: Session) => {
    const next = queue.shift();
    if (next === undefined) free.push(session);
    else next.take(session);
  };

  /** What a transaction did not end stands on its connection: both go. */
  const replace = (session: Session): Session => {
    void session.client.end({ timeout: 0 });
    all.delete(session);
    const fresh = open();
    all.add(fresh);
    return fresh;
  };

  return {
    async transaction(work, signal) {
      const session = await take();
      const state = { clean: true };
      try {
        signal?.throwIfAborted();
        return await runTransaction(session, state, { send, work, signal });
      } finally {
        session.onClose = () => {};
        give(state.clean ? session : replace(session));
      }
    },
    async stop() {
      for (const waiter of [...queue]) waiter.refuse();
      await Promise.all([...all].map(({ client }) => client.end({ timeout: 3 })));
    },
  };
}

/** `state.clean` afterwards: no transaction is open on the connection. */
async function runTransaction<T>(
  session: Session,
  state: { clean: boolean },
  parts: { send: Send; work: (db: Db) => Promise<T>; signal: AbortSignal | undefined },
): Promise<T> {
  const { send, work, signal } = parts;
  const { client } = session;
  let over = false;
  let failure: { error: unknown } | undefined;
  let last: Promise<unknown> = Promise.resolve();

  // One after the other: what waits when the connection is lost must not run on the next one, outside of the transaction.
  const run: Db["run"] = (text, values) => {
    const turn = last.then(() => {
      if (over) throw new Error("the transaction has ended");
      return send<never>(client, text, values, signal);
    });
    last = turn.catch((error) => {
      failure ??= { error };
    });
    return turn;
  };

  const begun = async (): Promise<T> => {
    try {
      const result = await work({ run });
      await last;
      if (failure !== undefined) throw failure.error;
      return result;
    } catch (error) {
      await last;
      // Where this fails too, the connection goes, and the transaction with it.
      if (!over) await send(client, "rollback", []).then(end, () => {});
      throw error;
    }
  };
  const end = () => {
    over = true;
    // A cancel request may still be on its way to this connection.
    state.clean = !signal?.aborted;
  };
  const whole = async (): Promise<T> => {
    state.clean = false;
    await send(client, "begin", [], signal);
    const result = await begun();
    await send(client, "commit", []);
    end();
    return result;
  };

  const lost = new Promise<never>((_, reject) => {
    session.onClose = () => {
      over = true;
      reject(new DomainError("DATABASE_UNAVAILABLE", undefined, { retryAfterMs: 500 }));
    };
  });
  return Promise.race([whole(), lost]);
}
