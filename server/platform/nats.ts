import { connect as connectTcp, isIP } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { type ConnectionOptions, connect, DebugEvents, Events, type NatsConnection, type Status } from "nats";
import type { Link } from "./link.js";
import type { Log } from "./log.js";

export interface NatsLinkOptions {
  /** Such as `nats://user:password@host:4222`, `nats://token@host`, `tls://host`; any of them will do. */
  urls: string[];
  log: Log;
}

/** Milliseconds for a server to answer. */
const DIAL_MS = 2_000;
/** Milliseconds between two tries, drawn anew each time: nodes that lost the same server do not come back as one. */
const LEAST_PAUSE = 250;
const MOST_PAUSE = 2_000;
/** A line that says nothing for three of these is dead. */
const PING_MS = 2_000;

/**
 * Keeps a connection to one of some NATS servers. The driver's own reconnecting is off: it waits for a dead line to take what
 * is left to write before it drops it, leaves sockets open that answer too late, and mixes up what old and new ones say.
 */
export function natsLink({ urls, log }: NatsLinkOptions): Link<NatsConnection> {
  const servers = urls.map(serverOf);
  const places = servers.map(({ place }) => place).join(", ");
  const followers = new Set<(connection: NatsConnection) => void>();
  const stopping = new AbortController();
  let connection: NatsConnection | undefined;
  let wasAway = false;

  const sayAway = (why: string) => {
    if (wasAway || stopping.signal.aborted) return;
    wasAway = true;
    log.warn({ servers: places, why }, "NATS is away: other nodes hear of this one later");
  };

  const dial = async (): Promise<NatsConnection | undefined> => {
    for (const server of shuffled(servers)) {
      try {
        await speaks(server);
        return await connect(server.options);
      } catch (error) {
        sayAway(reasonOf(error));
      }
    }
    return undefined;
  };

  /** Resolves when the connection is lost. */
  const serve = async (made: NatsConnection) => {
    connection = made;
    if (wasAway) log.info({ servers: places }, "NATS is back");
    wasAway = false;
    void watch(made, log);
    for (const up of followers) up(made);
    const error = await made.closed();
    connection = undefined;
    sayAway(error === undefined ? "the connection was lost" : reasonOf(error));
  };

  const live = async (dialled: () => void) => {
    while (!stopping.signal.aborted) {
      const made = await dial();
      if (stopping.signal.aborted) return made?.close();
      const served = made && serve(made);
      dialled();
      await served;
      const wait = LEAST_PAUSE + Math.random() * (MOST_PAUSE - LEAST_PAUSE);
      await pause(wait, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  };

  return {
    start: () =>
      new Promise((resolve) => {
        void live(resolve).finally(resolve);
      }),
    async stop() {
      stopping.abort();
      await connection?.close();
    },
    current: () => (connection?.isClosed() ? undefined : connection),
    follow(up) {
      followers.add(up);
      if (connection !== undefined) up(connection);
      return () => followers.delete(up);
    },
    describe: () => {
      const info = connection?.info;
      return connection === undefined
        ? `NATS at ${places} (away)`
        : `NATS at ${connection.getServer()} (${info?.version})`;
    },
  };
}

interface Server {
  /** host:port */
  place: string;
  hostname: string;
  port: number;
  options: ConnectionOptions;
}

/** The driver would take a password's digits for a port, so it gets the parts. */
function serverOf(text: string): Server {
  const url = new URL(text);
  const port = Number(url.port || 4222);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const place = `${url.hostname}:${port}`;
  const options: ConnectionOptions = {
    servers: [place],
    name: "backstay",
    noEcho: true,
    reconnect: false,
    timeout: DIAL_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    resolve: false,
    ...secretOf(url),
    ...(url.protocol === "tls:" && { tls: tlsFor(hostname) }),
  };
  return { place, hostname, port, options };
}

function secretOf(url: URL): Pick<ConnectionOptions, "user" | "pass" | "token"> {
  const [user, pass] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  if (user === "") return {};
  return pass === "" ? { token: user } : { user, pass };
}

/** Whom the certificate has to be for; the driver hands it on to node:tls as it is. */
function tlsFor(hostname: string): NonNullable<ConnectionOptions["tls"]> {
  return (isIP(hostname) ? { host: hostname } : { servername: hostname }) as object;
}

/** Sees first whether a NATS server speaks there, as each does: the driver never closes a socket that stays silent. */
function speaks({ hostname, port }: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(port, hostname);
    const end = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.setTimeout(DIAL_MS, () => end(new Error("no answer")));
    socket.once("data", () => end());
    socket.once("error", end);
    socket.once("close", () => end(new Error("closed before it said anything")));
  });
}

/** Closes a connection that is found dead, and logs what the server complains of. */
async function watch(connection: NatsConnection, log: Log): Promise<void> {
  for await (const status of connection.status() as AsyncIterable<Status>) {
    if (status.type === DebugEvents.StaleConnection) await connection.close();
    if (status.type === Events.Error) log.warn({ code: String(status.data) }, "NATS refused something");
  }
}

/** The code, or else the text, of an error of the driver or the socket. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? message ?? "unknown";
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
