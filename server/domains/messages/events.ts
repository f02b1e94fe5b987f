import type { NewMessage } from "./store.js";

/**
 * What `message.add` carries: the proto JSON of backstay.messages.v1.Message, but for `createTime`, which the statement adds
 * when it has drawn it.
 */
export function messageAdded(message: Pick<NewMessage, "id" | "senderId" | "recipientId" | "text">): object {
  const { id, senderId, recipientId, text } = message;
  return { id, senderId, recipientId, text };
}
