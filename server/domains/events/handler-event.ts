import type { JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { eventPath } from "./compat-event.js";
import type { PlacedEvent } from "./feed-item.js";

/** An event on the wire. */
export function toEvent({ event, cursor }: PlacedEvent) {
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
