import type { Socket } from "node:net";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Reads a connection until its first bytes are the HTTP/2 preface or can no longer become it, puts them back and calls
 * `decide` once. A peer that ends first is destroyed. The caller owns errors and the deadline.
 */
export function readPreface(socket: Socket, decide: (isHttp2: boolean) => void): void {
  let held: Buffer = Buffer.alloc(0);

  function onReadable(): void {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const compared = Math.min(held.length, PREFACE.length);
    const matches = held.compare(PREFACE, 0, compared, 0, compared) === 0;
    if (matches && compared < PREFACE.length) return;
    socket.removeListener("readable", onReadable);
    socket.removeListener("end", onEnd);
    socket.unshift(held);
    decide(matches);
  }

  function onEnd(): void {
    socket.destroy();
  }

  socket.on("readable", onReadable);
  socket.on("end", onEnd);
}
