import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import type { Call } from "./call.js";
import { type Event, EventService } from "./gen/backstay/events/v1/events_pb.js";
import { type EventsHandle, listen, type OnOptions } from "./on.js";
import { createServiceClient, type ServiceClient } from "./service-client.js";
import {
  createSubscription,
  type SubscribeInit,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionParts,
} from "./subscription.js";

// What a server waits and gathers at most when it is not told, and not configured otherwise.
const POLL_WAIT_MS = 600_000;
const POLL_GATHER_MS = 60_000;

/** Live events. */
export interface EventsClient extends Pick<ServiceClient<typeof EventService>, "publish" | "listPresence" | "poll"> {
  /**
   * Follows events: each once, in order, over drops, server restarts and sleep. The connection is made by the first
   * `next()` or `ready()`. It ends with a {@link BackstayError} only when there is no point in going on: `EVENT_GAP`;
   * `SIGNED_OUT` and other `unauthenticated` when the sign-in is over or another begins; `TOPIC_FORBIDDEN`;
   * `INVALID_CURSOR`. Everything else it answers by reconnecting.
   *
   * ```ts
   * for await (const event of client.events.subscribe({ types: ["message.*"] }, { signal })) show(event);
   * ```
   */
  subscribe(request?: SubscribeInit, options?: SubscribeOptions): Subscription;
  /**
   * The same with a callback, from now on: each event once, in order, the next when the promise that was returned for the
   * one before has settled. What the callback throws is reported as uncaught, and the next event follows. `types` are
   * one or several, exact (`message.add`) or by prefix (`message.*`); `*` is all.
   *
   * ```ts
   * const listening = client.events.on("counter.*", (event) => badge(event.data), { onStatus: (s) => bar(s.status) });
   * listening.close();
   * ```
   */
  on(types: string | readonly string[], callback: (event: Event) => unknown, options?: OnOptions): EventsHandle;
}

/** Makes `client.events`; `timeoutMs` is the client's for calls. */
export function createEventsClient(parts: SubscriptionParts & { call: Call; timeoutMs: number }): EventsClient {
  const { publish, listPresence, poll } = createServiceClient(EventService, parts.call);
  return {
    publish,
    listPresence,
    poll(request = {}, options = {}) {
      // Waiting is what the call is for: its time-out is for what comes on top of that.
      const waits = ms(request.wait, POLL_WAIT_MS) + ms(request.gather, POLL_GATHER_MS);
      return poll(request, { timeoutMs: parts.timeoutMs && parts.timeoutMs + waits, ...options });
    },
    subscribe: (request = {}, options = {}) => createSubscription(parts, request, options),
    on: (types, callback, options = {}) => listen(parts, types, callback, options),
  };
}

function ms(duration: Partial<Duration> | undefined, otherwise: number): number {
  return duration ? durationMs({ seconds: 0n, nanos: 0, ...duration } as Duration) : otherwise;
}
