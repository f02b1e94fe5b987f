import type { ServerResponse } from "node:http";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";

/** What the sweep knows of one open HTTP/2 stream. */
export interface StreamState {
  readonly openedAt: number;
  /** Response bytes the peer's window holds back, and since when it has let none go. */
  pending: number;
  pendingSince: number;
}

export interface Http2State {
  readonly session: ServerHttp2Session;
  readonly streams: Map<ServerHttp2Stream, StreamState>;
  hadStream: boolean;
  /** When the last stream ended, or the session began. */
  idleSince: number;
  /** Bytes received at the last sweep, since when there were no more, and whether the peer was asked to say something. */
  received: number;
  silentSince: number;
  asked: boolean;
  resets: number;
  resetsSince: number;
  /** There were too many: the session is about to be destroyed, and gets no more answers. */
  flooded: boolean;
}

/** One accepted TCP connection, from accept to close. Times are `performance.now()`. */
export interface Connection {
  /** The TCP socket, also under TLS. */
  readonly raw: Socket;
  /** The key of the cap per address. */
  readonly address: string;
  /** The newest HTTP/1.1 response. Responses leave in order, so when it is done all are. */
  response: ServerResponse | undefined;
  /** Whether it is no HTTP any more: a WebSocket stays as long as its door lets it. */
  upgraded: boolean;
  http2: Http2State | undefined;
  /** Bytes the kernel had taken at the last sweep, and since when there were some it did not take. */
  sent: number;
  stalledSince: number | undefined;
  /** When to destroy a peer that was told to go and stays. */
  killAt: number | undefined;
  /** Bytes received at the last look of a drain. */
  receivedAtDrain: number;
}

export function createConnection(raw: Socket, address: string): Connection {
  return {
    raw,
    address,
    response: undefined,
    upgraded: false,
    http2: undefined,
    sent: 0,
    stalledSince: undefined,
    killAt: undefined,
    receivedAtDrain: -1,
  };
}

/** True while a response is owed or not yet flushed, or whoever took the connection over has not ended it. */
export function isBusy(connection: Connection): boolean {
  const { response, upgraded, http2 } = connection;
  if (http2 || upgraded) return true;
  return response !== undefined && !response.writableFinished;
}
