import type { Socket } from "node:net";
import { addressKey } from "../../kernel/address.js";
import { type Connection, createConnection } from "./connection.js";
import type { ListenerCounters, ListenerLimits } from "./options.js";

/** Every open connection. */
export interface Registry {
  readonly open: ReadonlySet<Connection>;
  /** Registers the socket until it closes, or destroys it and returns undefined when a cap is reached. */
  admit(raw: Socket): Connection | undefined;
  /** Resolves when no connection is left. */
  empty(): Promise<void>;
}

export function createRegistry(limits: ListenerLimits, counters: ListenerCounters): Registry {
  const open = new Set<Connection>();
  const perAddress = new Map<string, number>();
  let waiting: (() => void)[] = [];

  function release(connection: Connection): void {
    open.delete(connection);
    const left = (perAddress.get(connection.address) ?? 1) - 1;
    if (left > 0) perAddress.set(connection.address, left);
    else perAddress.delete(connection.address);
    if (open.size > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  }

  return {
    open,
    admit(raw) {
      // Between two owners a socket has no other error listener, and an unheard error ends the process.
      raw.on("error", () => {});
      const address = addressKey(raw.remoteAddress ?? "");
      const count = perAddress.get(address) ?? 0;
      const full = open.size >= limits.maxConnections;
      if (full || count >= limits.maxConnectionsPerAddress) {
        counters[full ? "refusedTotal" : "refusedAddress"]++;
        raw.destroy();
        return undefined;
      }
      counters.accepted++;
      perAddress.set(address, count + 1);
      const connection = createConnection(raw, address);
      open.add(connection);
      raw.once("close", () => release(connection));
      return connection;
    },
    empty: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
