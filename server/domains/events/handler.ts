import type { JsonObject } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { serve } from "../../manifest.js";
import { eventPath } from "./compat-event.js";
import { poll } from "./poll.js";
import type { PlacedEvent, StreamItem } from "./service.js";
import * as service from "./service.js";

export const eventHandler = serve(EventService, {
  async *subscribe(request, ctx) {
    for await (const item of service.subscribe(ctx, request)) yield { item: toItem(item) };
  },

  async poll(request, ctx) {
    const gather = request.gather && durationMs(request.gather);
    const wait = request.wait && durationMs(request.wait);
    const { events, cursor, gap } = await poll(ctx, { ...request, gather, wait });
    return { events: events.map(toEvent), cursor, ...(gap && { gap }) };
  },
});

function toItem(item: StreamItem) {
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

function toEvent({ event, cursor }: PlacedEvent) {
  return {
    id: event.id,
    cursor,
    type: event.type,
    path: eventPath(event.type),
    time: timestampFromMs(event.time),
    actorId: event.actorId ?? "",
    data: JSON.parse(event.data) as JsonObject,
    topic: event.topic,
  };
}
