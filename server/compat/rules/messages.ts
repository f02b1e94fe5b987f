import { type Message, MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { DomainError } from "../../kernel/errors.js";
import type { Given } from "../given.js";
import { listing } from "../listing.js";
import { only, page, record } from "../record.js";
import { type CompatRule, compatRule } from "../rule.js";
import { milliseconds } from "../time.js";

/** Columns of bk_message that can make a condition. Its `id` is the receiver, who is the caller in any case. */
const COLUMNS = { sender: "sender_id", msg: "text", mtime: "create_time" } as const;

/** A message as bk_message shows it: `id` is who received it, and `sender` with `mtime` names it. */
function messageRecord(message: Message | undefined): object {
  if (message === undefined) return {};
  return record({
    id: message.recipientId,
    sender: message.senderId,
    msg: message.text,
    mtime: milliseconds(message.createTime),
    status: message.readTime === undefined ? "N" : "R",
  });
}

function messagePage(messages: readonly Message[], nextPageToken: string, given: Given): object {
  return page(
    messages.map((message) => only(messageRecord(message), given)),
    nextPageToken,
  );
}

export const messageRules: readonly CompatRule[] = [
  compatRule("/message/add", MessageService.method.sendMessage, {
    ask: (given) => {
      if (given.has("icon")) {
        throw new DomainError("UNKNOWN_FIELD", "Messages do not take images yet.", { field: "icon" });
      }
      return { recipientId: given.needed("id"), text: given.needed("msg") };
    },
    reply: ({ message }) => messageRecord(message),
  }),

  compatRule("/message/get", MessageService.method.listMessages, {
    rows: "messages",
    ask: (given) => listing(given, COLUMNS, { ignored: ["id"] }),
    reply: ({ messages, nextPageToken }, given) => messagePage(messages, nextPageToken, given),
  }),

  compatRule("/message/get/unread", MessageService.method.listUnread, {
    ask: (given) => ({
      markRead: given.yes("_read"),
      pageSize: given.number("_count") ?? 0,
      pageToken: given.text("_token"),
    }),
    reply: ({ messages, nextPageToken }, given) => messagePage(messages, nextPageToken, given),
  }),

  compatRule("/message/read", MessageService.method.markRead, {
    ask: (given) => {
      given.needed("mtime");
      return { senderId: given.needed("sender"), createTime: given.time("mtime")! };
    },
    reply: ({ message }) => messageRecord(message),
  }),

  compatRule("/message/del", MessageService.method.deleteMessages, {
    ask: (given) => {
      // A variable that happens to be empty must not widen what is deleted.
      for (const name of ["sender", "mtime"]) if (given.stands(name)) given.needed(name);
      const createTime = given.time("mtime");
      return { senderId: given.text("sender"), ...(createTime && { createTime }) };
    },
    reply: ({ deletedCount }) => ({ count: deletedCount }),
  }),
];
