import type { JsonObject } from "@bufbuild/protobuf";
import { BackstayError } from "./backstay-error.js";
import { linkAbort } from "./cancellation.js";
import type { Event } from "./gen/backstay/events/v1/events_pb.js";
import { requestHeaders } from "./request-headers.js";
import { type EventGap, type ResumeParts, resume, type SubscriptionStatus } from "./resume.js";

const SILENCE_MS = 40_000;

/** Which events to follow. */
export interface SubscribeInit {
  /**
   * Topics such as `room/lobby`, at most 16: those an app declares, where its rule lets the caller, and `account/<id>`.
   * Absent is the caller's own, `account/me`.
   */
  topics?: readonly string[] | undefined;
  /** Types, exact (`message.add`) or by prefix (`message.*`), at most 32; absent is all. */
  types?: readonly string[] | undefined;
  /**
   * Where to begin: the `cursor` of a subscription or an event to get what came after it, `"earliest"` for everything
   * that is kept, absent for what happens from now on.
   */
  afterCursor?: string | undefined;
  /** Only events in whose text this RE2 regular expression is found, at most 256 characters; `types` is the usual filter. */
  match?: string | undefined;
  /** What others see of the caller in those of the topics that have presence, at most 1 KiB as JSON. */
  presence?: JsonObject | undefined;
}

/** How to follow them. */
export interface SubscribeOptions {
  /** Ends the subscription and its connection at once; the iteration ends as if there were no more events. */
  signal?: AbortSignal | undefined;
  /** More request headers, by name. A WebSocket cannot send them. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Told whenever the connection comes and goes. For showing it: there is nothing to be done. */
  onStatus?: ((status: SubscriptionStatus) => void) | undefined;
  /**
   * Told when events are missing because they are no longer kept: load afresh what they would have changed. The next
   * event waits for the returned promise. Without it a gap ends the iteration with the reason `EVENT_GAP`.
   */
  onGap?: ((gap: EventGap) => void | Promise<void>) | undefined;
  /** How long the server may be silent before the client reconnects, in milliseconds; 40,000. It speaks every 15 s. */
  heartbeatTimeoutMs?: number | undefined;
}

/** Events as they happen, for `for await`. One consumer at a time; leaving the loop ends it. */
export interface Subscription {
  /**
   * Where to resume to get everything that has not been handed out yet; empty until the stream stands. Read in the body
   * of the loop it is after the event in hand, so store it when that event is dealt with. Who deals with several events
   * at a time stores `event.cursor` of the last one before which none is open.
   */
  readonly cursor: string;
  /**
   * Connects, if that has not begun, and resolves when the stream stands: what happens from then on will come.
   * Rejects with what would end the iteration.
   *
   * ```ts
   * const events = client.events.subscribe();
   * await events.ready();
   * await client.messages.sendMessage({ recipientId, text });
   * ```
   */
  ready(): Promise<void>;
  /** The next event; `done` when the subscription was ended. */
  next(): Promise<IteratorResult<Event, undefined>>;
  /** Ends the subscription and its connection at once. */
  return(): Promise<IteratorResult<Event, undefined>>;
  [Symbol.asyncIterator](): Subscription;
}

/** What subscriptions are made with. */
export type SubscriptionParts = Pick<ResumeParts, "open" | "session" | "reconnect">;

/** Makes a subscription; nothing is sent yet. Throws when a header is malformed. */
export function createSubscription(
  parts: SubscriptionParts,
  request: SubscribeInit,
  options: SubscribeOptions,
): Subscription {
  // Made here once to refuse a malformed header now, rather than with every connection.
  const headers = requestHeaders(options.headers, undefined);
  const position = { cursor: request.afterCursor ?? "" };
  const stop = new AbortController();
  const events = handOut(
    {
      ...parts,
      request: wantedBy(request),
      headers,
      silenceMs: options.heartbeatTimeoutMs ?? SILENCE_MS,
      position,
      stop: stop.signal,
      onStatus: options.onStatus,
    },
    { stop, signal: options.signal, onGap: options.onGap },
  );

  let opening: ReturnType<typeof events.next> | undefined;
  const open = () => {
    opening ??= events.next();
    return opening;
  };
  return {
    get cursor() {
      return position.cursor;
    },
    async ready() {
      if ((await open()).done) throw new BackstayError("the subscription has ended", { code: "canceled" });
    },
    async next() {
      await open();
      return (await events.next()) as IteratorResult<Event, undefined>;
    },
    async return() {
      stop.abort();
      await events.return(undefined);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function wantedBy({ topics = [], types = [], match = "", presence }: SubscribeInit): ResumeParts["request"] {
  return { topics: [...topics], types: [...types], match, ...(presence && { presence }) };
}

/** First undefined, when the stream stands, then the events. */
async function* handOut(
  parts: ResumeParts,
  { stop, signal, onGap }: { stop: AbortController } & Pick<SubscribeOptions, "signal" | "onGap">,
): AsyncGenerator<Event | undefined, undefined> {
  const unlink = linkAbort(signal, stop);
  let stands = false;
  try {
    for await (const item of resume(parts)) {
      if (item.kind === "gap") {
        await passGap(item.gap, onGap);
        continue;
      }
      if (!stands) yield undefined;
      stands = true;
      if (item.kind === "event") yield item.event;
    }
  } finally {
    unlink();
  }
}

async function passGap(gap: EventGap, onGap: SubscribeOptions["onGap"]): Promise<void> {
  if (onGap) return onGap(gap);
  throw new BackstayError("events are missing: they are no longer kept", {
    code: "out_of_range",
    reason: "EVENT_GAP",
    metadata: { ...gap },
  });
}
