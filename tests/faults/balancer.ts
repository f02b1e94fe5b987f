import net from "node:net";
import type { Random } from "./random.js";

/** Stands in front of several servers, as a load balancer without sticky sessions, and cuts lines when it is told to. */
export interface Balancer {
  readonly url: string;
  /** The ports behind it; connections go to them by turns. */
  to(ports: readonly number[]): void;
  /** Cuts about this share of the open connections, some in order and some with a reset; answers how many. */
  cut(share: number, random: Random): number;
  stop(): Promise<void>;
}

export async function balancer(): Promise<Balancer> {
  const open = new Set<net.Socket>();
  let ports: readonly number[] = [];
  let turn = 0;
  const server = net.createServer((client) => {
    client.on("error", () => {});
    const port = ports[turn++ % Math.max(1, ports.length)];
    if (port === undefined) return client.destroy();
    const upstream = net.connect(port, "127.0.0.1");
    open.add(client);
    upstream.on("error", () => client.destroy()).on("close", () => client.destroy());
    client.on("close", () => {
      open.delete(client);
      upstream.destroy();
    });
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", () => resolve());
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    to(wanted) {
      ports = wanted;
    },
    cut(share, random) {
      const chosen = [...open].filter(() => random.next() < share);
      for (const socket of chosen) {
        if (random.next() < 0.5) socket.resetAndDestroy();
        else socket.destroy();
      }
      return chosen.length;
    },
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
