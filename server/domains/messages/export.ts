import type { ExportCtx } from "../../context.js";
import { readAll } from "../../platform/db/index.js";
import type { Message } from "./service.js";
import { listReceived, listSent, type SentRow } from "./store-export.js";
import type { MessageRow } from "./store-row.js";

/** What a sender knows of a message: whether it was read is the recipient's. */
export type SentMessage = Omit<Message, "senderId" | "readAt">;

const FIRST = "0".repeat(32);

/** Every message an account has received and still has, oldest first. */
export function receivedMessages(ctx: ExportCtx, recipientId: string): AsyncIterable<Message> {
  return readAll((last: MessageRow | undefined, limit) =>
    listReceived(ctx, { recipientId, after: Number(last?.mtime ?? 0), limit }),
  );
}

/** Every message an account has sent that its recipient still has, oldest first; what was withheld from him is among them. */
export function sentMessages(ctx: ExportCtx, senderId: string): AsyncIterable<SentMessage> {
  return readAll((last: SentRow | undefined, limit) => listSent(ctx, { senderId, after: last?.id ?? FIRST, limit }));
}
