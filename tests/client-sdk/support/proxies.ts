import { createServer, request } from "node:http";
import net, { type AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** An HTTP proxy that keeps every answer until it is whole, as some do, and lets WebSockets pass. */
export async function startBufferingProxy(target: string): Promise<string> {
  const { hostname, port } = new URL(target);
  const server = createServer((req, res) => {
    const asked = request({ hostname, port, method: req.method, path: req.url, headers: req.headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", () => res.destroy());
      answer.on("end", () => res.writeHead(answer.statusCode ?? 502, answer.headers).end(Buffer.concat(chunks)));
    });
    asked.on("error", () => res.destroy());
    res.on("close", () => asked.destroy());
    req.pipe(asked);
  });
  server.on("upgrade", (req, client: net.Socket, head) => {
    const upstream = net.connect(Number(port), hostname);
    const headers = req.rawHeaders.flatMap((name, i, all) => (i % 2 ? [] : [`${name}: ${all[i + 1]}`]));
    upstream.write(`GET ${req.url} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    upstream.write(head);
    join(client, upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A TCP proxy in front of whichever of several servers takes new connections, as a balancer is during a deploy. */
export async function startBalancer(first: string) {
  let target = new URL(first);
  const clients = new Set<net.Socket>();
  const server = net.createServer((client) => {
    clients.add(client.on("close", () => clients.delete(client)));
    join(client, net.connect(Number(target.port), target.hostname));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** New connections go there; those that stand stay. */
    turnTo(url: string) {
      target = new URL(url);
    },
    /** Breaks what stands. */
    cut() {
      for (const client of clients) client.destroy();
    },
  };
}

function join(one: net.Socket, other: net.Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("error", () => to.destroy()).on("close", () => to.destroy());
    from.pipe(to);
  }
}
