import http, { type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { progressOf } from "../../rpc/progress.js";
import type { Connection } from "./connection.js";
import { linger, lingerUnlessHeard } from "./linger.js";
import { REFUSALS, type Refusal, refusalFor, refusalText, refuse } from "./refusal.js";
import type { Shared } from "./shared.js";
import { asksForWebSocket, putBack } from "./upgrade.js";

const REFUSAL_OF_ERROR: Record<string, Refusal> = {
  ERR_HTTP_REQUEST_TIMEOUT: REFUSALS.timeout,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: REFUSALS.extensions,
  HPE_HEADER_OVERFLOW: REFUSALS.headers,
};

/** Tells a method Node does not know from bytes that are no request. */
const REQUEST_LINE = /^[A-Z-]+ \S+ HTTP\/1\.[01]\r\n/;

interface ParseError extends NodeJS.ErrnoException {
  rawPacket?: Buffer;
}

export interface Http1 {
  start(): void;
  /** Takes over a socket whose first bytes were put back. */
  serve(connection: Connection, socket: Socket): void;
  /** Makes responses that have not begun the last of their connection. */
  drain(): void;
  close(): void;
}

export function createHttp1({ handler, upgrade, limits, log, counters, registry, phase }: Shared): Http1 {
  const connections = new WeakMap<Duplex, Connection>();
  const server = http.createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: Math.min(limits.headersMs, limits.requestMs),
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: Math.min(500, Math.max(5, Math.ceil(limits.headersMs / 8))),
    insecureHTTPParser: false,
  });

  server.on("request", (req, res) => {
    // Pipelined behind a request that was answered for the last time: an answer could not leave.
    if (req.socket.writableEnded) return;
    const connection = connections.get(req.socket);
    if (connection) connection.response = res;
    const refused = refusalFor(req);
    if (phase.draining || refused) res.shouldKeepAlive = false;
    if (refused) refuse(res, refused);
    else handler(req, res);
  });

  // Node detaches the parser before this event, so there is no response object.
  server.on("connect", (_req, socket) => endWith(socket, REFUSALS.method));

  const onUpgrade = (req: IncomingMessage, socket: Socket, head: Buffer) => {
    const connection = connections.get(socket);
    const { response } = connection ?? {};
    // Pipelined behind a request that is not answered: one of the two answers would have to overtake the other.
    if (!connection || !upgrade || (response && !response.writableEnded)) {
      counters.malformed++;
      socket.destroy();
      return;
    }
    // Answered, but not yet let go of by Node, which would keep the next response waiting.
    if (response?.socket === socket && !socket.destroyed) {
      response.once("close", () => onUpgrade(req, socket, head));
      return;
    }
    if (socket.destroyed || socket.writableEnded) return;
    if (!asksForWebSocket(req)) {
      putBack(req, socket, head);
      server.emit("connection", socket);
      return;
    }
    connection.upgraded = true;
    const refused = refusalFor(req);
    if (refused) return endWith(socket, refused);
    upgrade(req, socket, head);
  };
  // As long as nobody listens Node takes an upgrade for a plain request.
  if (upgrade) server.on("upgrade", (req, socket, head) => onUpgrade(req, socket as Socket, head));

  server.on("clientError", (error: ParseError, socket) => {
    // Already refused or answered for the last time: more of the same bytes must not cut the answer short.
    if (socket.writableEnded) return;
    const refused = refusalOfError(error);
    const response = connections.get(socket)?.response;
    // Node says it once; from here the sweep bounds the silence between two pieces.
    if (refused === REFUSALS.timeout && response && progressOf(response.req)) return;
    // Bytes of our own would corrupt an answer that has begun, or overtake one that waits in the pipeline.
    const mayWrite = !response || response.writableFinished || (response.socket === socket && !response.headersSent);
    if (!refused || !mayWrite || !socket.writable) {
      socket.destroy();
      return;
    }
    counters[refused === REFUSALS.timeout ? "requestTimeouts" : "malformed"]++;
    log.debug({ code: error.code, status: refused.status }, "refused an HTTP/1.1 request");
    endWith(socket, refused);
  });

  return {
    start() {
      // A node:http server which does not listen itself checks no timeout until it is told so.
      server.emit("listening");
    },
    serve(connection, socket) {
      connections.set(socket, connection);
      lingerUnlessHeard(connection, socket);
      // Between Node, which takes its own away with an upgrade, and whoever comes next nobody else hears errors.
      if (upgrade) socket.on("error", () => {});
      server.emit("connection", socket);
    },
    drain() {
      for (const { response } of registry.open) {
        if (response && !response.headersSent) response.shouldKeepAlive = false;
      }
    },
    close() {
      server.close();
    },
  };
}

function refusalOfError({ code = "", rawPacket }: ParseError): Refusal | undefined {
  const known = REFUSAL_OF_ERROR[code];
  if (known || !code.startsWith("HPE_")) return known;
  const isUnknownMethod = code === "HPE_INVALID_METHOD" && REQUEST_LINE.test(rawPacket?.toString("latin1") ?? "");
  return isUnknownMethod ? REFUSALS.method : REFUSALS.malformed;
}

function endWith(socket: Duplex, refused: Refusal): void {
  socket.on("error", () => {});
  linger(socket);
  socket.end(refusalText(refused));
}
