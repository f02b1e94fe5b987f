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

/** Deletes received messages; answers how many. */
export async function deleteMessages(ctx: Ctx, input: DeleteMessagesInput): Promise<number> {
  const recipientId = callerAccount(ctx);
  const deleted = await deleteThose(ctx, recipientId, input);
  if (deleted > 0) countersMoved(ctx, recipientId);
  return deleted;
}

async function deleteThose(ctx: Ctx, recipientId: string, input: DeleteMessagesInput): Promise<number> {
  const { senderId: sender, createTime } = input;
  const asked = input.id === "" ? input.ids : [...input.ids, input.id];
  if (asked.length === 0) return deleteBy(ctx, recipientId, sender, createTime?.getTime());
  if (sender !== "") throw invalid("senderId", "Ids stand beside no other condition.");
  if (createTime !== undefined) throw invalid("createTime", "Ids stand beside no other condition.");
  const ids = asked.map(parseId).filter((id) => id !== undefined);
  return ids.length === 0 ? 0 : count(await store.deleteByIds(ctx, { recipientId, ids }));
}

async function deleteBy(ctx: Ctx, recipientId: string, sender: string, mtime: number | undefined): Promise<number> {
  if (sender === "") {
    if (mtime === undefined) throw invalid("ids", "Nothing says which messages to delete.");
    return count(await store.deleteByTime(ctx, { recipientId, mtime }));
  }
  const senderId = parseId(sender);
  // A sender's id that can name nobody has sent nothing.
  if (senderId === undefined) return 0;
  if (mtime === undefined) return count(await store.deleteBySender(ctx, { recipientId, senderId }));
  return count(await store.deleteBySenderAndTime(ctx, { recipientId, senderId, mtime }));
}

function count([gone]: { deleted: bigint }[]): number {
  return Number(gone!.deleted);
}

function invalid(field: string, message: string): DomainError {
  return new DomainError("INVALID_FIELD", message, { field });
}
