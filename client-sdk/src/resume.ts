import type { Transport } from "@connectrpc/connect";
import { type Backoff, backoffMs } from "./backoff.js";
import { BackstayError, toBackstayError } from "./backstay-error.js";
import { isStaleToken } from "./call.js";
import { delay, orAbort } from "./cancellation.js";
import type { Event } from "./gen/backstay/events/v1/events_pb.js";
import { callSafely } from "./listeners.js";
import { recentIds } from "./recent-ids.js";
import { type Session, signedOut } from "./session.js";
import { openSubscribeStream, type SubscribeStream } from "./subscribe-stream.js";

const REMEMBERED_EVENTS = 1_000;

/** Errors that a new connection may not meet. An error of the server's own (`internal`) is hoped to pass as well. */
const PASSING = new Set([
  "unavailable",
  "aborted",
  "canceled",
  "deadline_exceeded",
  "unknown",
  "internal",
  "data_loss",
]);

/** Where a subscription stands. */
export interface SubscriptionStatus {
  /**
   * `connecting`: the first connection is on its way. `live`: events arrive as they happen. `reconnecting`: the
   * connection ended and the next follows. `closed`: it is over.
   */
  status: "connecting" | "live" | "reconnecting" | "closed";
  /** Why it reconnects; absent when the server asked for it, and in the other states. */
  error?: BackstayError;
  /** How long until it reconnects, in milliseconds; only while reconnecting. */
  delayMs?: number;
}

/** Events that can no longer be had: those after the cursor `from` up to the cursor `to`. */
export interface EventGap {
  /** The cursor that was resumed after. */
  from: string;
  /** The cursor from which on nothing is missing. */
  to: string;
}

/** What a subscription hears: that a connection stands, that events are missing, and the events, each once. */
export type SubscriptionItem = { kind: "ready" } | { kind: "gap"; gap: EventGap } | { kind: "event"; event: Event };

/** What a subscription consists of. */
export interface ResumeParts {
  transport: Transport;
  session: Session;
  reconnect: Backoff;
  request: { topics: string[]; types: string[] };
  headers: Headers;
  /** How long the server may say nothing before the connection counts as broken, in milliseconds. */
  silenceMs: number;
  /** Where to begin, and how far it has come: written as items are handed out. */
  position: { cursor: string };
  /** Ends it, quietly. */
  stop: AbortSignal;
  onStatus: ((status: SubscriptionStatus) => void) | undefined;
}

interface Progress {
  isNew(id: string): boolean;
  /** In a row, without hearing more than that the connection stands. */
  failures: number;
  /** A renewed token has not been heard to work yet. */
  renewed: boolean;
  bearer: string | undefined;
}

/**
 * A subscription over as many connections as it takes. Nothing is read ahead: the item read last is the one its consumer
 * works on, so that the position never passes it.
 */
export async function* resume(parts: ResumeParts): AsyncGenerator<SubscriptionItem, undefined> {
  const { session, stop } = parts;
  const progress: Progress = { isNew: recentIds(REMEMBERED_EVENTS), failures: 0, renewed: false, bearer: undefined };
  const end = new AbortController();
  const unsubscribe = session.onChange(({ event }) => {
    // Whoever signs in next must not get the events of who was before.
    if (event !== "refreshed") end.abort(signedOut());
  });
  const onStop = () => {
    unsubscribe();
    end.abort();
  };
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();

  callSafely(parts.onStatus, { status: "connecting" });
  try {
    for (;;) {
      let next: { delayMs: number; error?: BackstayError };
      let stream: SubscribeStream | undefined;
      try {
        progress.bearer = await orAbort(session.bearer(), end.signal);
        const headers = new Headers(parts.headers);
        if (progress.bearer) headers.set("authorization", `Bearer ${progress.bearer}`);
        stream = openSubscribeStream(parts.transport, {
          request: { ...parts.request, afterCursor: parts.position.cursor },
          headers,
          signal: end.signal,
          silenceMs: parts.silenceMs,
        });
        next = { delayMs: yield* follow(stream, parts, progress) };
      } catch (thrown) {
        if (end.signal.aborted) throw end.signal.reason;
        next = await recover(toBackstayError(thrown), parts, progress);
      } finally {
        stream?.close();
      }
      callSafely(parts.onStatus, { status: "reconnecting", ...next });
      await delay(next.delayMs, end.signal).catch(() => {
        throw end.signal.reason;
      });
    }
  } catch (thrown) {
    if (stop.aborted) return undefined;
    throw toBackstayError(thrown);
  } finally {
    unsubscribe();
    stop.removeEventListener("abort", onStop);
    callSafely(parts.onStatus, { status: "closed" });
  }
}

/** Hands out what one connection brings. Returns how long to wait when the server asks to reconnect. */
async function* follow(
  stream: SubscribeStream,
  { position, reconnect, onStatus }: ResumeParts,
  progress: Progress,
): AsyncGenerator<SubscriptionItem, number> {
  for (;;) {
    const item = await stream.next();
    if (!item) throw new BackstayError("the stream ended without a goodbye", { code: "unavailable" });
    progress.renewed = false;
    if (item.case !== "ready") progress.failures = 0;
    switch (item.case) {
      case "ready":
        // A position that is known stays: a gap may still follow, and must not be passed by breaking off before it.
        position.cursor ||= item.value.cursor;
        callSafely(onStatus, { status: "live" });
        yield { kind: "ready" };
        break;
      case "heartbeat":
        position.cursor = item.value.cursor || position.cursor;
        break;
      case "gap":
        yield { kind: "gap", gap: { from: item.value.from, to: item.value.to } };
        position.cursor = item.value.to || position.cursor;
        break;
      case "event":
        if (item.value.id && !progress.isNew(item.value.id)) break;
        position.cursor = item.value.cursor || position.cursor;
        yield { kind: "event", event: item.value };
        break;
      case "goodbye": {
        const atLeast = item.value.reconnectAfterMs;
        return atLeast + Math.random() * Math.max(atLeast, reconnect.minDelayMs);
      }
    }
  }
}

/** What to do about a broken connection: how long to wait before the next. Rejects when there is no point in one. */
async function recover(
  error: BackstayError,
  { session, stop, reconnect }: ResumeParts,
  progress: Progress,
): Promise<{ delayMs: number; error: BackstayError }> {
  let reason = error;
  if (isStaleToken(error) && progress.bearer && !progress.renewed) {
    try {
      progress.renewed = await orAbort(session.renew(progress.bearer), stop);
      if (progress.renewed) return { delayMs: 0, error };
    } catch (thrown) {
      reason = toBackstayError(thrown);
    }
  }
  if (!isPassing(reason)) throw reason;
  progress.failures++;
  return { delayMs: backoffMs(reconnect, progress.failures) + (reason.retryAfterMs ?? 0), error: reason };
}

function isPassing({ code, reason, retryAfterMs }: BackstayError): boolean {
  if (code === "resource_exhausted") return reason === "SLOW_READER" || retryAfterMs !== undefined;
  return PASSING.has(code);
}
