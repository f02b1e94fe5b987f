import type { Socket } from "node:net";
import tls from "node:tls";

/** Runs the server side of a TLS handshake on `raw`; `ready` gets the decrypted socket. A failed handshake closes `raw`. */
export type Secure = (raw: Socket, ready: (secured: tls.TLSSocket) => void) => void;

/** Throws what node:tls throws on a bad certificate or key. */
export function createSecure(pem: { cert: string; key: string }): Secure {
  const server = tls.createServer({ ...pem, ALPNProtocols: ["h2", "http/1.1"], minVersion: "TLSv1.2" });
  // node:tls does not say which socket a secured one came from; on one port the peer's address and port do.
  const handshakes = new Map<string, (secured: tls.TLSSocket) => void>();

  server.on("secureConnection", (secured) => {
    const ready = handshakes.get(peer(secured));
    if (ready) ready(secured);
    else secured.destroy();
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());

  return (raw, ready) => {
    const key = peer(raw);
    handshakes.set(key, ready);
    raw.once("close", () => {
      if (handshakes.get(key) === ready) handshakes.delete(key);
    });
    server.emit("connection", raw);
  };
}

function peer(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
