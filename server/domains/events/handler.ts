import type { JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { serve } from "../../manifest.js";
import type { StreamItem } from "./service.js";
import * as service from "./service.js";

export const eventHandler = serve(EventService, {
  async *subscribe(request, ctx) {
    for await (const item of service.subscribe(ctx, request)) yield { item: toItem(item) };
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

function toEvent({ event, cursor }: Extract<StreamItem, { kind: "event" }>) {
  return {
    id: event.id,
    cursor,
    type: event.type,
    path: `/${event.type.replaceAll(".", "/")}`,
    time: timestampFromMs(event.time),
    actorId: event.actorId ?? "",
    data: JSON.parse(event.data) as JsonObject,
    topic: event.topic,
  };
}
