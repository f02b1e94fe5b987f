import { type Connection, unavailable } from "./connection.js";

/** Connections that callers take in turn. */
export interface Pool {
  /** Lends a connection for as long as `work` takes. Throws DATABASE_UNAVAILABLE when none is free in time. */
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

interface Waiter {
  take(connection: Connection): void;
  refuse(): void;
}

export function openPool(size: number, acquireTimeout: number, open: () => Connection): Pool {
  const all = Array.from({ length: size }, open);
  // The one used last is used first: the others may be closed when they are long idle.
  const free = [...all];
  const queue = new Set<Waiter>();

  const wait = () =>
    new Promise<Connection>((resolve, reject) => {
      const waiter: Waiter = {
        take(connection) {
          clearTimeout(timer);
          resolve(connection);
        },
        refuse() {
          clearTimeout(timer);
          queue.delete(waiter);
          reject(unavailable());
        },
      };
      const timer = setTimeout(waiter.refuse, acquireTimeout);
      queue.add(waiter);
    });

  const give = (connection: Connection) => {
    const [first] = queue;
    if (first === undefined) {
      free.push(connection);
      return;
    }
    queue.delete(first);
    first.take(connection);
  };

  return {
    async use(work) {
      const connection = free.pop() ?? (await wait());
      try {
        return await work(connection);
      } finally {
        // A cancel request names a connection: one that comes late would end the next caller's statement.
        if (connection.settling === undefined) give(connection);
        else void connection.settling.then(() => give(connection));
      }
    },
    async stop() {
      for (const waiter of queue) waiter.refuse();
      await Promise.all(all.map((connection) => connection.stop()));
    },
  };
}
