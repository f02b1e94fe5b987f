import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** What somebody sent. */
export interface Received {
  /** The address it was sent to. */
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A server elsewhere, of one test. */
export interface Receiver {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
}

/** Starts one on every address of this machine; `answer` answers what it got, by 204 when it says nothing. */
export async function startReceiver(
  answer: (received: Received, response: ServerResponse) => unknown = () => {},
): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url: path = "", headers } = request;
    const address = request.socket.localAddress?.replace("::ffff:", "") ?? "";
    const one = { address, method, path, headers, body: Buffer.concat(chunks).toString() };
    received.push(one);
    if ((await answer(one, response)) === undefined && !response.headersSent) response.writeHead(204).end();
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, port, received };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return (server.address() as AddressInfo).port;
}
