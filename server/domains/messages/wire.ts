import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { MessageSchema, type Message as WireMessage } from "#gen/backstay/messages/v1/messages_pb.js";
import type { Message } from "./service.js";

/** A message on the wire. */
export function toMessage(message: Message): WireMessage {
  const wire = create(MessageSchema);
  wire.id = message.id;
  wire.senderId = message.senderId;
  wire.recipientId = message.recipientId;
  wire.text = message.text;
  wire.createTime = timestampFromDate(message.createdAt);
  if (message.readAt !== null) wire.readTime = timestampFromDate(message.readAt);
  return wire;
}
