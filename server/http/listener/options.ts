import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";

/** Answers one request. HTTP/2 requests come through Node's compatibility API, so one handler serves both protocols. */
export type RequestHandler = (
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse | Http2ServerResponse,
) => void;

/**
 * Takes over the connection of an HTTP/1.1 request that asks for a WebSocket, with what was read behind the request. Errors of
 * the socket are heard already; to answer it, or to end it, is the handler's.
 */
export type UpgradeHandler = (req: IncomingMessage, socket: Socket, head: Buffer) => void;

/** What a peer may take of the server. Times in milliseconds; what is due happens within half a second. */
export interface ListenerLimits {
  /** From accept until the protocol is known: TLS handshake and preface together, however slowly bytes trickle in. */
  sniffMs: number;
  /** From the first byte of an HTTP/1.1 request to the end of its headers; an HTTP/2 session's wait for its first stream. */
  headersMs: number;
  /** From the start of a request to the end of its body. A response may take as long as it likes. */
  requestMs: number;
  /** An HTTP/1.1 keep-alive connection between two requests; Node adds a second to what it tells the peer. */
  idleMs: number;
  /** An HTTP/2 session between two streams. PINGs do not prolong it. */
  h2IdleMs: number;
  /** An HTTP/2 session with streams, whose peer says nothing; it is then asked by a PING, and has as long again. */
  h2SilenceMs: number;
  /** Response bytes are waiting and the peer takes none. */
  slowReaderMs: number;
  /** Open connections in all; one more is destroyed at accept. */
  maxConnections: number;
  /** Open connections of one IPv4 address or one IPv6 /64. A proxy in front counts as one address. */
  maxConnectionsPerAddress: number;
  /** Open streams of one HTTP/2 session; one more is refused. */
  maxStreamsPerConnection: number;
  /** Streams a peer may reset before they are answered, per HTTP/2 session and 10 s; then GOAWAY ENHANCE_YOUR_CALM. */
  maxResetsPerConnection: number;
  /** All headers of one request, in bytes: 431 over HTTP/1.1, a stream reset with ENHANCE_YOUR_CALM over HTTP/2. */
  maxHeaderBytes: number;
  /** Memory one HTTP/2 session may hold in Node, in MiB. */
  maxSessionMemoryMiB: number;
}

export const DEFAULT_LIMITS: ListenerLimits = {
  sniffMs: 10_000,
  headersMs: 10_000,
  requestMs: 60_000,
  idleMs: 65_000,
  h2IdleMs: 120_000,
  h2SilenceMs: 30_000,
  slowReaderMs: 30_000,
  maxConnections: 10_000,
  maxConnectionsPerAddress: 2_000,
  maxStreamsPerConnection: 200,
  maxResetsPerConnection: 500,
  maxHeaderBytes: 16_384,
  maxSessionMemoryMiB: 16,
};

export interface ListenerLog {
  warn(facts: object, message: string): void;
  debug(facts: object, message: string): void;
}

export interface ListenerOptions {
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** PEM text. With it the port speaks TLS only, h2 and http/1.1 by ALPN; without it cleartext only. */
  tls?: { cert: string; key: string } | undefined;
  handler: RequestHandler;
  /** Without it a request that asks for a WebSocket is a request like any other. */
  upgrade?: UpgradeHandler | undefined;
  /** What is left out keeps its value of DEFAULT_LIMITS. */
  limits?: Partial<ListenerLimits>;
  log: ListenerLog;
}

/** Totals since start, for metrics. */
export interface ListenerCounters {
  accepted: number;
  /** Refused at accept by maxConnections. */
  refusedTotal: number;
  /** Refused at accept by maxConnectionsPerAddress. */
  refusedAddress: number;
  /** Never said which protocol they speak, or failed the TLS handshake in time. */
  unidentified: number;
  /** Requests that were not complete in time. */
  requestTimeouts: number;
  /** HTTP/1.1 bytes that are no request, and header lists over the limit. */
  malformed: number;
  /** HTTP/2 sessions closed for having no stream. */
  idleSessions: number;
  /** HTTP/2 sessions closed with their streams, for answering no PING. */
  silentSessions: number;
  /** HTTP/2 sessions closed for too many resets. */
  resetFloods: number;
  /** Connections and streams closed because the peer took no bytes. */
  slowReaders: number;
}

export interface Listener {
  /** Rejects with the error of the system unchanged, e.g. code EADDRINUSE. */
  start(): Promise<{ host: string; port: number }>;
  /** Accepts nothing more, tells peers to go, lets open requests finish and destroys what is left after `deadlineMs`. */
  drain(deadlineMs: number): Promise<void>;
  /** Destroys every connection. */
  stop(): Promise<void>;
  /** Open connections, those whose protocol is not known yet included. */
  connections(): number;
  counters(): Readonly<ListenerCounters>;
}
