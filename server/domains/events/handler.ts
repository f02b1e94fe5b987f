import { create, type JsonObject } from "@bufbuild/protobuf";
import { durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { EventService, type SubscribeResponse, SubscribeResponseSchema } from "#gen/backstay/events/v1/events_pb.js";
import { encoder } from "../../kernel/share.js";
import { type Outlet, Pushed, serve } from "../../manifest.js";
import type { FeedItem, FeedReader } from "./feed-item.js";
import { toEvent } from "./handler-event.js";
import { listPresence, type Present } from "./list-presence.js";
import { poll } from "./poll.js";
import { publish } from "./publish.js";
import * as service from "./service.js";

export const eventHandler = serve(EventService, {
  subscribe(request, ctx) {
    return new Pushed((outlet) => service.subscribe(ctx, request, new ResponseReader(outlet)));
  },

  async poll(request, ctx) {
    const gather = request.gather && durationMs(request.gather);
    const wait = request.wait && durationMs(request.wait);
    const { events, cursor, gap } = await poll(ctx, { ...request, gather, wait });
    return { events: events.map(toEvent), cursor, ...(gap && { gap }) };
  },

  async publish(request, ctx) {
    return { event: toEvent({ event: await publish(ctx, request), cursor: "" }) };
  },

  async listPresence(request, ctx) {
    const { presences, nextPageToken } = await listPresence(ctx, request);
    return { presences: presences.map(toPresence), nextPageToken };
  },
});

/** Hands on what a feed says as the messages of the contract. */
class ResponseReader implements FeedReader {
  constructor(private readonly outlet: Outlet<SubscribeResponse>) {}

  write(item: FeedItem): boolean {
    return this.outlet.write(toResponse(item));
  }

  onDrain(listener: () => void): void {
    this.outlet.onDrain(listener);
  }
}

/** What many streams say is one message for all of them, which their doors encode once. */
const toResponse = encoder(
  (item: FeedItem): SubscribeResponse => create(SubscribeResponseSchema, { item: toItem(item) }),
);

function toItem(item: FeedItem) {
  switch (item.kind) {
    case "event":
      return { case: "event", value: toEvent(item) } as const;
    case "gap":
      return { case: "gap", value: { from: item.from, to: item.to } } as const;
    case "goodbye":
      return { case: "goodbye", value: { reconnectAfterMs: item.reconnectAfterMs } } as const;
    default:
      return { case: item.kind, value: { cursor: item.cursor } } as const;
  }
}

function toPresence({ accountId, since, data }: Present) {
  return { accountId, since: timestampFromDate(since), ...(data !== null && { data: JSON.parse(data) as JsonObject }) };
}
