import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Connection } from "./connection.js";

/** How long a peer that is still sending may take to read its answer: to destroy at once lets a TCP reset overtake it. */
const LINGER_MS = 1_000;

/** Destroys a socket whose last bytes are written, or about to be, after a while. */
export function linger(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}

/** Lets the last answer of an HTTP/1.1 connection be read before it closes, when the request is still on its way. */
export function lingerUnlessHeard(connection: Connection, socket: Socket): void {
  // What Node calls once the last answer is written.
  socket.destroySoon = () => {
    const { response } = connection;
    if (response === undefined || response.req.complete || socket.writableEnded) {
      Object.getPrototypeOf(socket).destroySoon.call(socket);
      return;
    }
    linger(socket);
    socket.end();
    response.req.resume();
  };
}
