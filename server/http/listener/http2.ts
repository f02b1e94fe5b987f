import http2, { type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Connection, Http2State } from "./connection.js";
import { REFUSALS, refusalFor, refuse } from "./refusal.js";
import type { Shared } from "./shared.js";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_NO_ERROR } = http2.constants;
const RESET_WINDOW_MS = 10_000;

/** Refused streams count as invalid frames, and a client may open hundreds before it hears of the cap. */
const MAX_INVALID_FRAMES = 1_000;

/** How long a peer that was sent GOAWAY may take to close its side. */
const GOODBYE_MS = 1_000;

export interface Http2 {
  /** Takes over a socket whose first bytes were put back. */
  serve(connection: Connection, socket: Socket): void;
  /** Sends GOAWAY to every session; open streams go on. */
  drain(): void;
}

export function createHttp2(shared: Shared): Http2 {
  const { handler, limits, log, registry, phase } = shared;
  const server = http2.createServer({
    maxSessionMemory: limits.maxSessionMemoryMiB,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    settings: { maxConcurrentStreams: limits.maxStreamsPerConnection, maxHeaderListSize: limits.maxHeaderBytes },
  });

  server.on("request", (req, res) => {
    // A reset that came in the same packet as its request costs us no handler.
    if (req.stream.closed || req.stream.destroyed) return;
    const refused = refusalFor(req);
    // The sweep closes a stream that is answered and whose request, or tunnel, would go on.
    if (refused) refuse(res, refused);
    else handler(req, res);
  });
  server.on("connect", (_req, res) => refuse(res, REFUSALS.method));
  server.on("sessionError", (error: NodeJS.ErrnoException) => {
    log.debug({ code: error.code, reason: error.message }, "an HTTP/2 session failed");
  });

  return {
    serve(connection, socket) {
      // Half a TCP connection is of no use to HTTP/2, and Node would keep the session.
      socket.allowHalfOpen = false;
      const adopt = (session: ServerHttp2Session) => watch(connection, session, shared);
      server.once("session", adopt);
      server.emit("connection", socket);
      server.removeListener("session", adopt);
      if (phase.draining) connection.http2?.session.close();
    },
    drain() {
      for (const { http2: state } of registry.open) state?.session.close();
    },
  };
}

function watch(connection: Connection, session: ServerHttp2Session, shared: Shared): void {
  const state: Http2State = {
    session,
    streams: new Map(),
    hadStream: false,
    idleSince: performance.now(),
    received: 0,
    silentSince: performance.now(),
    asked: false,
    resets: 0,
    resetsSince: 0,
    flooded: false,
  };
  connection.http2 = state;
  session.on("stream", (stream) => {
    state.hadStream = true;
    state.idleSince = performance.now();
    if (stream.closed || stream.destroyed) {
      countReset(connection, state, shared);
      return;
    }
    state.streams.set(stream, { openedAt: state.idleSince, pending: 0, pendingSince: 0 });
    stream.once("close", () => {
      state.streams.delete(stream);
      state.idleSince = performance.now();
      if (stream.aborted) countReset(connection, state, shared);
    });
  });
}

function countReset(connection: Connection, state: Http2State, { limits, counters, log }: Shared): void {
  if (state.flooded || state.session.destroyed) return;
  const now = performance.now();
  if (now - state.resetsSince > RESET_WINDOW_MS) {
    state.resets = 0;
    state.resetsSince = now;
  }
  if (++state.resets <= limits.maxResetsPerConnection) return;
  state.flooded = true;
  counters.resetFloods++;
  log.warn({ address: connection.address, resets: state.resets }, "closed a session that resets too many streams");
  connection.killAt = now + GOODBYE_MS;
  // Never from here: a stream that ends others of its session in its own close event, when they have something to send,
  // leaves Node's native code in a loop without end, and with it the process.
  setImmediate(() => state.session.destroy(new Error("too many resets"), NGHTTP2_ENHANCE_YOUR_CALM));
}

/** Ends a session that has no streams; one that does not answer the GOAWAY is destroyed by a later sweep. */
export function sayGoodbye(connection: Connection, now: number): void {
  connection.http2?.session.close();
  connection.killAt = now + GOODBYE_MS;
}

/** Closes a stream that is answered, and whose request would go on; it is no error that nobody reads the rest. */
export function closeAnswered(stream: ServerHttp2Stream): void {
  stream.close(NGHTTP2_NO_ERROR);
}

/** Ends one stream; gRPC and Connect clients read the code as resource_exhausted. */
export function cutStream(stream: ServerHttp2Stream): void {
  stream.close(NGHTTP2_ENHANCE_YOUR_CALM);
}
