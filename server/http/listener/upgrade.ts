import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

/** Whether a request asks to go on as a WebSocket. */
export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.trim().toLowerCase() === "websocket";
}

/**
 * Puts a request that Node took for an upgrade back in front of its connection, without the header that made it one. What
 * clients offer besides WebSocket, such as h2c, a server may ignore, and then it has to answer the request itself.
 */
export function putBack(req: IncomingMessage, socket: Socket, head: Buffer): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!;
    if (name.toLowerCase() !== "upgrade") lines.push(`${name}: ${req.rawHeaders[i + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
}
