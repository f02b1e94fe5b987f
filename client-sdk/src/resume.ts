import type { Backoff } from "./backoff.js";
import { BackstayError, toBackstayError } from "./backstay-error.js";
import { createPause, linkAbort, orAbort } from "./cancellation.js";
import type { Event } from "./gen/backstay/events/v1/events_pb.js";
import { callSafely } from "./listeners.js";
import { recentIds } from "./recent-ids.js";
import { createRecovery, type Recovery } from "./recovery.js";
import { type Session, signedOut } from "./session.js";
import type { OpenSubscribeStream, SubscribeStream, SubscribeStreamInit } from "./subscribe-stream.js";
import { watchWake } from "./wake.js";

const REMEMBERED_EVENTS = 1_000;

/** Where a subscription, or a socket, stands. */
export interface SubscriptionStatus {
  /**
   * `connecting`: the first connection is on its way. `live`: events, or messages, arrive as they happen. `reconnecting`:
   * the connection ended and the next follows. `closed`: it is over.
   */
  status: "connecting" | "live" | "reconnecting" | "closed";
  /** Why it reconnects, absent when the server asked for it; why it is over, absent when that was wanted. */
  error?: BackstayError;
  /** How long until it reconnects, in milliseconds; only while reconnecting. */
  delayMs?: number;
}

/** Events that can no longer be had: those after the cursor `from` up to the cursor `to`. */
export interface EventGap {
  /** The cursor that was resumed after. */
  from: string;
  /** Where to resume from now on. */
  to: string;
}

/** What a subscription hears: that a connection stands, that events are missing, and the events, each once. */
export type SubscriptionItem = { kind: "ready" } | { kind: "gap"; gap: EventGap } | { kind: "event"; event: Event };

/** What a subscription consists of. */
export interface ResumeParts {
  open: OpenSubscribeStream;
  session: Session;
  reconnect: Backoff;
  request: Omit<SubscribeStreamInit["request"], "afterCursor">;
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
  recovery: Recovery;
  /** When the connection was begun, or last said something, in milliseconds since 1970. */
  heardAt: number;
}

/**
 * A subscription over as many connections as it takes. Nothing is read ahead: the item read last is the one its consumer
 * works on, so that the position never passes it.
 */
export async function* resume(parts: ResumeParts): AsyncGenerator<SubscriptionItem, undefined> {
  const { session, stop } = parts;
  const recovery = createRecovery(parts);
  const progress: Progress = { isNew: recentIds(REMEMBERED_EVENTS), recovery, heardAt: 0 };
  const end = new AbortController();
  const unsubscribe = session.onChange(({ event }) => {
    // Whoever signs in next must not get the events of who was before.
    if (event !== "refreshed") end.abort(signedOut());
  });
  const pause = createPause();
  let line = new AbortController();
  const unwatch = watchWake((networkChanged) => {
    // The server speaks more than twice in the time it may be silent. Timers sleep with the machine, its clock does not.
    const silent = Date.now() - progress.heardAt > parts.silenceMs / 2;
    if (!pause.cut() && (networkChanged || silent)) line.abort(wokenUp());
  });
  const onStop = () => {
    unsubscribe();
    unwatch();
    end.abort();
  };
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();

  callSafely(parts.onStatus, { status: "connecting" });
  const last: SubscriptionStatus = { status: "closed" };
  try {
    for (;;) {
      let next: { delayMs: number; error?: BackstayError };
      let stream: SubscribeStream | undefined;
      line = new AbortController();
      const unlink = linkAbort(end.signal, line);
      progress.heardAt = Date.now();
      try {
        const bearer = await orAbort(session.bearer(), end.signal);
        stream = parts.open({
          request: { ...parts.request, afterCursor: parts.position.cursor },
          headers: parts.headers,
          bearer,
          signal: line.signal,
          silenceMs: parts.silenceMs,
        });
        next = { delayMs: yield* follow(stream, parts, progress) };
      } catch (thrown) {
        if (end.signal.aborted) throw end.signal.reason;
        const error = toBackstayError(thrown);
        next = line.signal.aborted ? { delayMs: 0, error } : await recovery.after(error, stream?.bearer);
      } finally {
        unlink();
        stream?.close();
      }
      callSafely(parts.onStatus, { status: "reconnecting", ...next });
      await pause.wait(next.delayMs, end.signal).catch(() => {
        throw end.signal.reason;
      });
    }
  } catch (thrown) {
    if (stop.aborted) return undefined;
    last.error = toBackstayError(thrown);
    throw last.error;
  } finally {
    unsubscribe();
    unwatch();
    stop.removeEventListener("abort", onStop);
    callSafely(parts.onStatus, last);
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
    progress.heardAt = Date.now();
    progress.recovery.heard(item.case !== "ready");
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
        // An event of the moment only has no cursor.
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

function wokenUp(): BackstayError {
  return new BackstayError("the machine slept, or its network is another", { code: "unavailable" });
}
