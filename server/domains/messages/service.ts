import type { Ctx } from "../../context.js";
import { DomainError } from "../../kernel/errors.js";
import { parseId } from "../../kernel/ids.js";
import { ConstraintError, replayedResource, retried } from "../../platform/db/index.js";
import { accountTopic } from "../../platform/events/index.js";
import { callerAccount } from "../accounts/index.js";
import { countersMoved } from "../counters/index.js";
import { messageAdded } from "./events.js";
import * as store from "./store.js";
import type { MessageRow } from "./store-row.js";

/** A message as its parties see it. */
export type Message = Omit<MessageRow, "mtime">;

/** Sends a message. Somebody who is blocked is answered as anybody else; whoever blocked him gets nothing. */
export async function sendMessage(ctx: Ctx, input: { recipientId: string; text: string }): Promise<Message> {
  const senderId = callerAccount(ctx);
  const recipientId = input.recipientId === "me" ? senderId : parseId(input.recipientId);
  if (recipientId === undefined) throw noRecipient();
  if (recipientId === senderId) throw new DomainError("MESSAGE_TO_SELF", undefined, { field: "recipientId" });

  const at = ctx.clock.now();
  const message = { id: ctx.ids.next(), senderId, recipientId, text: input.text };
  const sent = await insertOnce(ctx, {
    ...message,
    at,
    atMs: at.getTime(),
    eventId: ctx.ids.next(),
    recipientTopic: accountTopic(recipientId),
    senderTopic: accountTopic(senderId),
    eventType: "message.add",
    actorId: senderId,
    eventData: messageAdded(message),
  }).catch((error) => {
    // What is withheld belongs to its sender, who was deleted just now: whoever is not there writes to nobody.
    if (error instanceof ConstraintError && error.kind === "foreign_key") throw noRecipient();
    throw error;
  });

  if (sent.recipient === null) throw noRecipient();
  if (sent.createdAt === null) return repeated(ctx, senderId);
  countersMoved(ctx, recipientId);
  ctx.afterCommit(() => ctx.events.wake());
  return { ...message, createdAt: sent.createdAt, readAt: null };
}

async function insertOnce(ctx: Ctx, message: store.NewMessage): Promise<store.Sent> {
  const { idempotency } = ctx;
  const insert = () => {
    if (idempotency === undefined) return store.insertMessage(ctx, message);
    const { scope, key, hash: requestHash } = idempotency;
    return store.insertMessageOnce(ctx, { ...message, scope, key, requestHash, resourceId: message.id });
  };
  // What is withheld holds its sender's account at last: it may meet the deletion of that.
  return (await retried(insert))[0]!;
}

async function repeated(ctx: Ctx, senderId: string): Promise<Message> {
  const id = await replayedResource(ctx, ctx.idempotency!);
  const [message] = await store.findSent(ctx, { id, senderId });
  if (message === undefined) throw noMessage();
  return message;
}

function noRecipient(): DomainError {
  return new DomainError("RECIPIENT_NOT_FOUND", undefined, { field: "recipientId" });
}

function noMessage(): DomainError {
  return new DomainError("MESSAGE_NOT_FOUND", undefined, { field: "id" });
}
