import { type Message, MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import { DomainError, type Reason } from "../../kernel/errors.js";
import { isCondition } from "../conditions.js";
import { checkExact, ownChange, ownOnly } from "../exact.js";
import type { Given } from "../given.js";
import { listing } from "../listing.js";
import { checkSelect, only, page, record } from "../record.js";
import { type CompatRule, compatRule } from "../rule.js";
import { milliseconds } from "../time.js";

/** Columns of bk_message that can make a condition. Its `id` is the receiver, who is the caller in any case. */
const COLUMNS = { sender: "sender_id", msg: "text", mtime: "create_time" } as const;

/** All that there are, those included that no message has yet. */
const SHOWN = ["id", "sender", "msg", "icon", "mtime", "status"];

/** Throws for what would choose among unread messages: whichever come first are shown, and marked. */
function checkUnchosen(given: Given): void {
  if (given.yes("_read")) ownChange(given);
  else ownOnly(given);
  const column = SHOWN.find((name) => name !== "id" && given.has(name));
  if (column !== undefined) throw unchosen("INVALID_FILTER", column);
  if ((given.number("_start") ?? 0) > 0) throw unchosen("INVALID_FIELD", "_start");
  if ((given.number("_page") ?? 1) > 1) throw unchosen("INVALID_FIELD", "_page");
  if (given.yes("_desc")) throw unchosen("INVALID_FIELD", "_desc");
}

function unchosen(reason: Reason, field: string): DomainError {
  return new DomainError(reason, `Unread messages come in their order, the oldest first: leave ${field} out.`, {
    field,
  });
}

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
      ownChange(given, "sender");
      return { recipientId: given.needed("id"), text: given.needed("msg") };
    },
    reply: ({ message }) => messageRecord(message),
  }),

  compatRule("/message/get", MessageService.method.listMessages, {
    rows: "messages",
    ask: (given) => {
      if (isCondition(given, "id")) ownOnly(given);
      checkSelect(given, SHOWN);
      return listing(given, COLUMNS, { ignored: ["id"], unsearched: ["icon", "status"] });
    },
    reply: ({ messages, nextPageToken }, given) => messagePage(messages, nextPageToken, given),
  }),

  compatRule("/message/get/unread", MessageService.method.listUnread, {
    ask: (given) => {
      checkUnchosen(given);
      checkSelect(given, SHOWN);
      return {
        markRead: given.yes("_read"),
        pageSize: given.number("_count") ?? 0,
        pageToken: given.text("_token"),
      };
    },
    reply: ({ messages, nextPageToken }, given) => messagePage(messages, nextPageToken, given),
  }),

  compatRule("/message/read", MessageService.method.markRead, {
    ask: (given) => {
      ownChange(given);
      given.needed("mtime");
      return { senderId: given.needed("sender"), createTime: given.time("mtime")! };
    },
    reply: ({ message }) => messageRecord(message),
  }),

  compatRule("/message/del", MessageService.method.deleteMessages, {
    ask: (given) => {
      ownOnly(given);
      checkExact(given, ["id", "sender", "mtime"], "Messages are deleted by sender and mtime");
      const createTime = given.time("mtime");
      return { senderId: given.text("sender"), ...(createTime && { createTime }) };
    },
    reply: ({ deletedCount }) => ({ count: deletedCount }),
  }),
];
