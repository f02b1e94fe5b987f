import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { callerAccount } from "../accounts/index.js";
import { countersMoved } from "../counters/index.js";
import * as store from "./store-delete.js";

/** Which of the received messages: those of the ids, or those of a sender, of a time, or of both. */
export interface DeleteMessagesInput {
  ids: string[];
  id: string;
  senderId: string;
  createTime: Date | undefined;
}

const NOTHING: store.Deleted = { deleted: 0n, moved: false };

/** Deletes received messages; answers how many. */
export async function deleteMessages(ctx: Ctx, input: DeleteMessagesInput): Promise<number> {
  const recipientId = callerAccount(ctx);
  const { deleted, moved } = await deleteThose(ctx, recipientId, input);
  if (moved) countersMoved(ctx, recipientId);
  return Number(deleted);
}

async function deleteThose(ctx: Ctx, recipientId: string, input: DeleteMessagesInput): Promise<store.Deleted> {
  const { senderId: sender, createTime } = input;
  const asked = input.id === "" ? input.ids : [...input.ids, input.id];
  if (asked.length === 0) return deleteBy(ctx, recipientId, sender, createTime?.getTime());
  if (sender !== "") throw invalid("senderId", "Ids stand beside no other condition.");
  if (createTime !== undefined) throw invalid("createTime", "Ids stand beside no other condition.");
  const ids = asked.map(parseId).filter((id) => id !== undefined);
  return ids.length === 0 ? NOTHING : (await store.deleteByIds(ctx, { recipientId, ids }))[0]!;
}

async function deleteBy(
  ctx: Ctx,
  recipientId: string,
  sender: string,
  mtime: number | undefined,
): Promise<store.Deleted> {
  if (sender === "") {
    if (mtime === undefined) throw invalid("ids", "Nothing says which messages to delete.");
    return (await store.deleteByTime(ctx, { recipientId, mtime }))[0]!;
  }
  const senderId = parseId(sender);
  // A sender's id that can name nobody has sent nothing.
  if (senderId === undefined) return NOTHING;
  if (mtime === undefined) return (await store.deleteBySender(ctx, { recipientId, senderId }))[0]!;
  return (await store.deleteBySenderAndTime(ctx, { recipientId, senderId, mtime }))[0]!;
}

function invalid(field: string, message: string): DomainError {
  return new DomainError("INVALID_FIELD", message, { field });
}
