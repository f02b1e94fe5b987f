import net from "node:net";

/** A TCP proxy on loopback that stands for a network, and for a server, that fails. */
export interface ChaosProxy {
  /** `url` with this proxy in place of its host. */
  through(url: string): string;
  /** Breaks what is connected and refuses what comes, as a server that is down does. */
  cut(): Promise<void>;
  /** Breaks what is connected as a killed server does, with a reset, and goes on taking connections. */
  reset(): void;
  /** Breaks each new connection when its client says something for the `nth` time; 0 breaks none. */
  breakAt(nth: number): void;
  /** Refuses what comes, and leaves what is connected. */
  close(): Promise<void>;
  /** Takes connections and says nothing to them, until `mend`. */
  hold(): void;
  /** Leaves connected what is, takes what comes, and passes nothing on in any direction, as a black hole does. */
  stall(): void;
  /** Lets everything pass again, also what was held or stalled. */
  mend(): Promise<void>;
  /** Resolves when a connection is being held. */
  held(): Promise<void>;
  stop(): Promise<void>;
}

/** Opens a proxy to the server of a PostgreSQL url. */
export async function chaosProxy(target: string): Promise<ChaosProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<net.Socket>();
  const pairs = new Set<[net.Socket, net.Socket]>();
  let waiting: (() => void)[] = [];
  let onHeld: (() => void)[] = [];
  let holding = false;
  let fatal = 0;
  const server = net.createServer((client) => {
    const pass = () => {
      const upstream = net.connect(Number(port), hostname);
      const pair: [net.Socket, net.Socket] = [client, upstream];
      pairs.add(pair);
      upstream.on("close", () => pairs.delete(pair));
      pipe(sockets, client, upstream);
    };
    sockets.add(client);
    client.on("error", () => {}).on("close", () => sockets.delete(client));
    let left = fatal;
    client.on("data", () => --left === 0 && client.resetAndDestroy());
    if (!holding) return pass();
    waiting.push(pass);
    for (const tell of onHeld.splice(0)) tell();
  });
  await listen(server, 0);
  const own = (server.address() as net.AddressInfo).port;

  const close = () => new Promise<void>((resolve) => (server.listening ? closeListening(server, resolve) : resolve()));
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    through(url) {
      const proxied = new URL(url);
      proxied.hostname = "127.0.0.1";
      proxied.port = String(own);
      return proxied.href;
    },
    close,
    breakAt(nth) {
      fatal = nth;
    },
    reset() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async cut() {
      destroyAll();
      await close();
    },
    hold() {
      holding = true;
    },
    stall() {
      holding = true;
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream).pause();
        upstream.unpipe(client).pause();
      }
    },
    held: () => (waiting.length > 0 ? Promise.resolve() : new Promise((resolve) => onHeld.push(resolve))),
    async mend() {
      holding = false;
      for (const [client, upstream] of pairs) client.pipe(upstream).pipe(client);
      for (const pass of waiting.splice(0)) pass();
      if (!server.listening) await listen(server, own);
    },
    async stop() {
      waiting = [];
      onHeld = [];
      destroyAll();
      await close();
    },
  };
}

function pipe(sockets: Set<net.Socket>, client: net.Socket, upstream: net.Socket): void {
  sockets.add(upstream);
  upstream.on("error", () => client.destroy()).on("close", () => sockets.delete(upstream));
  upstream.on("close", () => client.destroy());
  client.on("close", () => upstream.destroy());
  client.pipe(upstream).pipe(client);
}

function listen(server: net.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve());
  });
}

/** Not waiting for the connections that stay. */
function closeListening(server: net.Server, done: () => void): void {
  server.close();
  done();
}
