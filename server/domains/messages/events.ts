import type { Message } from "./service.js";

/** What `message.add` carries: the proto JSON of backstay.messages.v1.Message. */
export function messageAdded(message: Message): object {
  return {
    id: message.id,
    senderId: message.senderId,
    recipientId: message.recipientId,
    text: message.text,
    // As proto JSON writes it: without a fraction that is nothing.
    createTime: message.createdAt.toISOString().replace(".000Z", "Z"),
  };
}
