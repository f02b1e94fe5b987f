import http2, { type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Connection, Http2State, StreamState } from "./connection.js";
import { cutStream, sayGoodbye } from "./http2.js";
import type { ListenerLimits } from "./options.js";
import type { Shared } from "./shared.js";

const { NGHTTP2_STREAM_STATE_OPEN, NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL } = http2.constants;

/**
 * One write of a stream shows no progress before all of it has left, so a peer gets the time it needs at this rate
 * (16 KiB/s) before a stream is called stuck while other streams of its session move.
 */
const SLOWEST_BYTES_PER_MS = 16;

/** Milliseconds between two sweeps: fine enough that no limit is overrun by more than an eighth or half a second. */
export function sweepInterval({ headersMs, requestMs, h2IdleMs, slowReaderMs }: ListenerLimits): number {
  const shortest = Math.min(headersMs, requestMs, h2IdleMs, slowReaderMs);
  return Math.min(500, Math.max(5, Math.ceil(shortest / 8)));
}

/**
 * Looks once at every connection and closes the slow readers, the idle HTTP/2 sessions and the HTTP/2 requests that do
 * not end. One sweep for all is cheaper than timers for each, which would be set and cleared with every request.
 */
export function sweep(shared: Shared, now: number): void {
  for (const connection of shared.registry.open) {
    if (connection.killAt !== undefined && now >= connection.killAt) connection.raw.destroy();
    else if (isStalled(connection, shared.limits, now)) {
      shared.counters.slowReaders++;
      shared.log.debug({ address: connection.address }, "closed a connection that reads too slowly");
      connection.raw.destroy();
    } else if (connection.http2) sweepSession(connection, connection.http2, shared, now);
  }
}

function isStalled(connection: Connection, limits: ListenerLimits, now: number): boolean {
  const { queued, sent } = kernelProgress(connection.raw);
  if (queued === 0 && !holdsBack(connection.http2)) {
    connection.stalledSince = undefined;
    return false;
  }
  if (connection.stalledSince === undefined || sent !== connection.sent) {
    connection.sent = sent;
    connection.stalledSince = now;
  }
  return now - connection.stalledSince >= limits.slowReaderMs;
}

/** True if response bytes wait for the peer's flow-control window. */
function holdsBack(state: Http2State | undefined): boolean {
  if (!state) return false;
  for (const stream of state.streams.keys()) if (stream.writableLength > 0) return true;
  return false;
}

/** The handle's own counts: `socket.bytesWritten` includes what Node still buffers, and misses what HTTP/2 and TLS write. */
function kernelProgress(socket: Socket): { queued: number; sent: number } {
  const { _handle: handle } = socket as Socket & { _handle?: { writeQueueSize: number; bytesWritten: number } | null };
  if (!handle) return { queued: 0, sent: 0 };
  return { queued: handle.writeQueueSize, sent: handle.bytesWritten - handle.writeQueueSize };
}

function sweepSession(connection: Connection, state: Http2State, { limits, counters, log }: Shared, now: number): void {
  if (state.streams.size === 0) {
    const patience = state.hadStream ? limits.h2IdleMs : Math.min(limits.headersMs, limits.h2IdleMs);
    const isLeaving = state.session.closed || state.session.destroyed;
    if (connection.killAt !== undefined || (!isLeaving && now - state.idleSince < patience)) return;
    if (!isLeaving) counters.idleSessions++;
    sayGoodbye(connection, now);
    return;
  }
  for (const [stream, watched] of state.streams) {
    if (isUnfinishedRequest(stream) && now - watched.openedAt >= limits.requestMs) {
      counters.requestTimeouts++;
      log.debug({ address: connection.address }, "reset a stream whose request was not complete in time");
      cutStream(stream);
    } else if (isStuck(stream, watched, limits, now)) {
      counters.slowReaders++;
      log.debug({ address: connection.address }, "reset a stream that is read too slowly");
      cutStream(stream);
    }
  }
}

/** Asks the protocol, not the readable side: a request the handler never reads has ended all the same. */
function isUnfinishedRequest(stream: ServerHttp2Stream): boolean {
  const { state } = stream.state;
  return state === NGHTTP2_STREAM_STATE_OPEN || state === NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL;
}

function isStuck(stream: ServerHttp2Stream, watched: StreamState, limits: ListenerLimits, now: number): boolean {
  const pending = stream.writableLength;
  // More bytes from the application are no progress of the peer.
  if (pending === 0 || watched.pending === 0 || pending < watched.pending) watched.pendingSince = now;
  watched.pending = pending;
  return pending > 0 && now - watched.pendingSince >= limits.slowReaderMs + pending / SLOWEST_BYTES_PER_MS;
}
