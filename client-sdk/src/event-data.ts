import { type DescMessage, fromJson, type MessageShape } from "@bufbuild/protobuf";
import type { Event } from "./gen/backstay/events/v1/events_pb.js";

/**
 * The resource an event is about, typed. Fields that this version of the client does not know are left out; an event
 * without data gives a message with nothing set. Throws when the data is not of that message.
 *
 * ```ts
 * if (event.type === "message.add") show(eventData(event, MessageSchema).text);
 * ```
 */
export function eventData<Desc extends DescMessage>(event: Event, schema: Desc): MessageShape<Desc> {
  return fromJson(schema, event.data ?? {}, { ignoreUnknownFields: true });
}
