import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { callerAccount } from "../accounts/index.js";
import * as store from "./store-delete.js";

/** Which of the received messages: those of the ids, or those of a sender, of a time, or of both. */
export interface DeleteMessagesInput {
  ids: string[];
  id: string;
  senderId: string;
  createTime: Date | undefined;
}

/** Deletes received messages; answers how many. */
export async function deleteMessages(ctx: Ctx, input: DeleteMessagesInput): Promise<number> {
  const recipientId = callerAccount(ctx);
  const asked = input.id === "" ? input.ids : [...input.ids, input.id];
  const bySender = input.senderId !== "";
  const byTime = input.createTime !== undefined;
  if (asked.length === 0 && !bySender && !byTime) {
    throw new DomainError("INVALID_FIELD", "Nothing says which messages to delete.", { field: "ids" });
  }
  if (asked.length > 0 && (bySender || byTime)) {
    const field = bySender ? "senderId" : "createTime";
    throw new DomainError("INVALID_FIELD", "Ids stand beside no other condition.", { field });
  }

  // What can name nothing here has nothing to delete.
  const ids = asked.map(parseId).filter((id) => id !== undefined);
  const senderId = parseId(input.senderId);
  if (asked.length > 0 ? ids.length === 0 : bySender && senderId === undefined) return 0;
  const byIds = asked.length > 0;
  const run = byIds
    ? store.deleteByIds
    : bySender
      ? byTime
        ? store.deleteBySenderAndTime
        : store.deleteBySender
      : store.deleteByTime;
  const [gone] = await run(ctx, { recipientId, ids, senderId, mtime: input.createTime?.getTime() });
  return Number(gone!.deleted);
}
