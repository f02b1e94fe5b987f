import http2, { type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { progressOf } from "../../rpc/progress.js";
import type { Connection, Http2State, StreamState } from "./connection.js";
import { closeAnswered, cutStream, sayGoodbye } from "./http2.js";
import type { ListenerLimits } from "./options.js";
import type { Shared } from "./shared.js";

// The two states of a stream whose request has not ended: not yet answered to the end, and answered.
const { NGHTTP2_STREAM_STATE_OPEN, NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL } = http2.constants;

/**
 * One write of a stream shows no progress before all of it has left, so a peer gets the time it needs at this rate
 * (16 KiB/s) before a stream is called stuck while other streams of its session move.
 */
const SLOWEST_BYTES_PER_MS = 16;

/** Milliseconds between two sweeps: fine enough that no limit is overrun by more than an eighth or half a second. */
export function sweepInterval(limits: ListenerLimits): number {
  const { headersMs, requestMs, h2IdleMs, h2SilenceMs, slowReaderMs } = limits;
  const shortest = Math.min(headersMs, requestMs, h2IdleMs, h2SilenceMs, slowReaderMs);
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
    else if (isSilent(connection, shared.limits, now)) {
      shared.counters.requestTimeouts++;
      shared.log.debug({ address: connection.address }, "closed a connection whose streamed request went silent");
      connection.raw.destroy();
    }
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

/** Whether an HTTP/1.1 request that is read as it comes has stopped coming. Node itself bounds all others. */
function isSilent({ response }: Connection, limits: ListenerLimits, now: number): boolean {
  if (response === undefined || response.writableFinished || response.req.complete) return false;
  return progressOf(response.req) !== undefined && isOverdue(response.req, now, limits, now);
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
  if (isDead(connection, state, limits, now)) {
    counters.silentSessions++;
    log.debug({ address: connection.address }, "closed an HTTP/2 session that answers no PING");
    connection.raw.destroy();
    return;
  }
  for (const [stream, watched] of state.streams) {
    // Asks the protocol, not the readable side: a request the handler never reads has ended all the same.
    const { state: phase } = stream.state;
    if (phase === NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL) closeAnswered(stream);
    else if (phase === NGHTTP2_STREAM_STATE_OPEN && isOverdue(stream, watched.openedAt, limits, now)) {
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

/**
 * Whether a session with streams has heard nothing, though its peer was asked. After a frame that breaks the protocol Node
 * stops reading, and while a stream is open it tells nobody, nor would it see the peer leave.
 */
function isDead(connection: Connection, state: Http2State, { h2SilenceMs }: ListenerLimits, now: number): boolean {
  const { raw, stalledSince } = connection;
  // While an answer waits to leave, a PING may wait behind it; that is bounded by slowReaderMs.
  if (raw.bytesRead !== state.received || stalledSince !== undefined) {
    state.received = raw.bytesRead;
    state.silentSince = now;
    state.asked = false;
    return false;
  }
  if (now - state.silentSince < h2SilenceMs) return false;
  if (!state.asked) {
    state.asked = true;
    state.silentSince = now;
    if (!state.session.destroyed) state.session.ping(() => {});
    return false;
  }
  return true;
}

/** Whether a request that has not ended should have: all of it, or the next piece of one that is read as it comes. */
function isOverdue(request: object, openedAt: number, { requestMs }: ListenerLimits, now: number): boolean {
  const progress = progressOf(request);
  const since = progress === undefined ? openedAt : progress.waitingSince;
  return since !== undefined && now - since >= requestMs;
}

function isStuck(stream: ServerHttp2Stream, watched: StreamState, limits: ListenerLimits, now: number): boolean {
  const pending = stream.writableLength;
  // More bytes from the application are no progress of the peer.
  if (pending === 0 || watched.pending === 0 || pending < watched.pending) watched.pendingSince = now;
  watched.pending = pending;
  return pending > 0 && now - watched.pendingSince >= limits.slowReaderMs + pending / SLOWEST_BYTES_PER_MS;
}
