import net from "node:net";
import { createRegistry } from "./admission.js";
import { isBusy } from "./connection.js";
import { createHttp1 } from "./http1.js";
import { createHttp2 } from "./http2.js";
import { DEFAULT_LIMITS, type Listener, type ListenerCounters, type ListenerOptions } from "./options.js";
import { readPreface } from "./preface.js";
import { createSecure } from "./secure.js";
import type { Shared } from "./shared.js";
import { sweep, sweepInterval } from "./sweep.js";

export type { Listener, ListenerOptions } from "./options.js";

/** A connection that sent nothing between two looks of a drain is idle; the time between gives a request on its way a chance. */
const DRAIN_LOOK_MS = 50;

/** After this idle time the kernel probes whether the peer is still there, so vanished peers do not hold streams for hours. */
const KEEP_ALIVE_PROBE_MS = 30_000;

/**
 * One port for HTTP/1.1 and HTTP/2, cleartext by preface or TLS by ALPN, which bounds what any peer can hold: see
 * ListenerLimits. Starts once. Throws what node:tls throws on a bad certificate.
 */
export function createListener(options: ListenerOptions): Listener {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const counters = zeroCounters();
  const registry = createRegistry(limits, counters);
  const shared: Shared = { ...options, limits, counters, registry, phase: { draining: false } };
  const http1 = createHttp1(shared);
  const http2 = createHttp2(shared);
  const secure = options.tls && createSecure(options.tls);
  // Half-open, as node:http: a client may end its side after the request and still read the answer.
  const server = net.createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
  });
  let sweeper: NodeJS.Timeout | undefined;
  let reported = 0;

  server.on("connection", (raw) => {
    const connection = registry.admit(raw);
    if (!connection) return;
    const deadline = setTimeout(() => {
      counters.unidentified++;
      raw.destroy();
    }, limits.sniffMs);
    raw.once("close", () => clearTimeout(deadline));
    const identify = (socket: net.Socket) =>
      readPreface(socket, (isHttp2) => {
        clearTimeout(deadline);
        (isHttp2 ? http2 : http1).serve(connection, socket);
      });
    if (secure) secure(raw, identify);
    else identify(raw);
  });

  // Out of file descriptors, an accept fails; the listener goes on with those it has.
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (server.listening) options.log.warn({ code: error.code }, "could not accept a connection");
  });

  function look(): void {
    sweep(shared, performance.now());
    const refused = counters.refusedTotal + counters.refusedAddress;
    if (refused === reported) return;
    reported = refused;
    options.log.warn({ refused, open: registry.open.size }, "refused connections above a cap");
  }

  function destroyAll(): void {
    for (const connection of registry.open) connection.raw.destroy();
  }

  /** Closes what has neither a response to finish nor sent anything since the last look. */
  function closeIdle(): void {
    for (const connection of registry.open) {
      if (isBusy(connection)) continue;
      const { bytesRead } = connection.raw;
      if (connection.receivedAtDrain === bytesRead) connection.raw.destroy();
      connection.receivedAtDrain = bytesRead;
    }
  }

  async function release(): Promise<void> {
    destroyAll();
    await registry.empty();
    clearInterval(sweeper);
    http1.close();
  }

  return {
    async start() {
      if (shared.phase.draining) throw new Error("a stopped listener does not start again");
      await listen(server, options.host, options.port);
      http1.start();
      sweeper = setInterval(look, sweepInterval(limits)).unref();
      const { address, port } = server.address() as net.AddressInfo;
      return { host: address, port };
    },
    async drain(deadlineMs) {
      shared.phase.draining = true;
      server.close();
      http1.drain();
      http2.drain();
      closeIdle();
      const looks = setInterval(closeIdle, DRAIN_LOOK_MS);
      const deadline = setTimeout(destroyAll, deadlineMs);
      await registry.empty();
      clearInterval(looks);
      clearTimeout(deadline);
      await release();
    },
    async stop() {
      shared.phase.draining = true;
      server.close();
      await release();
    },
    connections: () => registry.open.size,
    counters: () => counters,
  };
}

function zeroCounters(): ListenerCounters {
  return {
    accepted: 0,
    refusedTotal: 0,
    refusedAddress: 0,
    unidentified: 0,
    requestTimeouts: 0,
    malformed: 0,
    idleSessions: 0,
    silentSessions: 0,
    resetFloods: 0,
    slowReaders: 0,
  };
}

function listen(server: net.Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}
