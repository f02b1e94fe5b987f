import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { DomainError } from "../../kernel/errors.js";
import { CLOSE_MS, FRAGMENT_CHUNKS, FRAME_BYTES, FRAME_FRAGMENTS } from "./limits.js";

/** The sub-protocol that we speak. Another one that clients name is a token, which is never repeated to them. */
const PROTOCOL = "backstay.v1";

/** Answers a request by 101; undefined when its sender has gone. Throws INVALID_HEADER. */
export type Handshake = (req: IncomingMessage, socket: Socket, head: Buffer) => WebSocket | undefined;

export function createHandshake(): Handshake {
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    maxPayload: FRAME_BYTES,
    // Each costs some hundred bytes of memory, and nobody counts it before the frame is whole.
    maxFragments: FRAME_FRAGMENTS,
    maxBufferedChunks: FRAGMENT_CHUNKS,
    // Compression would cost memory for each socket, and what is encoded for many would be compressed for each.
    perMessageDeflate: false,
    closeTimeout: CLOSE_MS,
    handleProtocols: (offered) => offered.has(PROTOCOL) && PROTOCOL,
  };
  const server = new WebSocketServer(options);
  let fault: DomainError | undefined;
  // Said before `handleUpgrade` returns.
  server.on("wsClientError", ({ message }) => {
    fault = new DomainError("INVALID_HEADER", `The request does not open a WebSocket: ${message}.`);
  });

  return (req, socket, head) => {
    let opened: WebSocket | undefined;
    fault = undefined;
    server.handleUpgrade(req, socket, head, (ws) => {
      opened = ws;
    });
    if (fault !== undefined) throw fault;
    return opened;
  };
}
