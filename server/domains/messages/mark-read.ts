import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { callerAccount } from "../accounts/index.js";
import { countersMoved } from "../counters/index.js";
import type { Message } from "./service.js";
import * as store from "./store-read.js";

/** Names a received message: by its id, or by its sender and time. */
export interface MarkReadInput {
  id: string;
  senderId: string;
  createTime: Date | undefined;
}

/** Marks a received message read, the first time. */
export async function markRead(ctx: Ctx, input: MarkReadInput): Promise<Message> {
  const recipientId = callerAccount(ctx);
  const id = await resolve(ctx, recipientId, input);
  const at = ctx.clock.now();
  const [marked] = await store.markRead(ctx, { id, recipientId, at, atMs: at.getTime() });
  if (marked !== undefined) {
    countersMoved(ctx, recipientId);
    return marked;
  }
  const [known] = await store.findReceived(ctx, { id, recipientId });
  if (known === undefined) throw noMessage("id");
  return known;
}

async function resolve(ctx: Ctx, recipientId: string, input: MarkReadInput): Promise<string> {
  const { senderId: sender, createTime } = input;
  if (input.id !== "") {
    if (sender !== "") throw invalid("senderId", "A message is named by its id, or by its sender and time.");
    if (createTime !== undefined)
      throw invalid("createTime", "A message is named by its id, or by its sender and time.");
    const id = parseId(input.id);
    if (id === undefined) throw noMessage("id");
    return id;
  }
  if (sender === "" && createTime === undefined) throw invalid("id", "The message's id is missing.");
  if (sender === "") throw invalid("senderId", "The message's sender is missing beside its time.");
  if (createTime === undefined) throw invalid("createTime", "The message's time is missing beside its sender.");
  const senderId = parseId(sender);
  if (senderId === undefined) throw noMessage("senderId");
  const [found] = await store.findAtPlace(ctx, { recipientId, senderId, mtime: createTime.getTime() });
  if (found === undefined) throw noMessage("createTime");
  return found.id;
}

function invalid(field: string, message: string): DomainError {
  return new DomainError("INVALID_FIELD", message, { field });
}

function noMessage(field: string): DomainError {
  return new DomainError("MESSAGE_NOT_FOUND", undefined, { field });
}
