import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { heardAt, isBlocked } from "../blocks/index.js";
import { increment, incrementWithheld } from "../counters/index.js";
import { messages, withheldMessages } from "./schema.js";
import { heldRecipient, type MessageRow } from "./store-row.js";

export interface NewMessage extends Omit<NewEvent, "topics"> {
  id: string;
  senderId: string;
  recipientId: string;
  text: string;
  /** `at` in milliseconds, as the arrival stamp knows it. */
  atMs: number;
  /** Where the event is told. */
  recipientTopic: string;
  senderTopic: string;
}

/** What became of a send: no recipient, or a recipient and (unless the key was used before) the message's time. */
export interface Sent {
  recipient: string | null;
  createdAt: Date | null;
}

/** A message's place as proto JSON writes a time: without a fraction that is nothing. */
const createTime = sql`jsonb_build_object('createTime',
  to_char(to_timestamp(mtime / 1000) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
  || case when mtime % 1000 = 0 then 'Z' else '.' || lpad((mtime % 1000)::text, 3, '0') || 'Z' end)`;

/** Whom a message goes to, and whether he gets it. */
function addressee(p: Parameters<NewMessage>): SQL {
  return sql`recipient as (${heldRecipient(p.recipientId)}), addressee as (
      select id, ${isBlocked(sql`id`, sql`${p.senderId}::uuid`)} as withheld from recipient
    )`;
}

/**
 * Counter, message and event in one statement; `gate` is the row that lets them happen.
 *
 * A message that is withheld draws its place as any other, so that its time is as theirs: later than those before it, and no
 * other message's. It is counted for its sender alone, and nobody else hears of it.
 */
function send(gate: SQL, p: Parameters<NewMessage>): SQL {
  const { eventId, eventType, actorId, at } = p;
  const told = {
    eventId,
    topics: sql`array[${heardAt(sql`${p.recipientTopic}::text`, sql`withheld`, p.senderId)}, ${p.senderTopic}::text]`,
    eventType,
    actorId,
    at,
    eventData: sql`(${p.eventData}::jsonb || ${createTime})`,
  };
  const counted = increment("msg_count", {
    from: gate,
    accountId: sql`(select id from addressee)`,
    now: p.atMs,
    amount: sql`(select case when withheld then 0 else 1 end from addressee)`,
  });
  return sql`counted as (${counted}), placed as (
      select account_id, stamp as mtime, to_timestamp(stamp / 1000.0) as created_at, withheld from counted, addressee
    ), sent as (
      insert into ${messages} (id, recipient_id, sender_id, mtime, text, created_at)
      select ${p.id}::uuid, account_id, ${p.senderId}::uuid, mtime, ${p.text}::text, created_at from placed where not withheld
    ), kept as (
      insert into ${withheldMessages} (id, recipient_id, sender_id, text, created_at)
      select ${p.id}::uuid, account_id, ${p.senderId}::uuid, ${p.text}::text, created_at from placed where withheld
      returning recipient_id as account_id, sender_id as viewer_id
    ), counted_for_sender as (${incrementWithheld("msg_count", sql`kept`)}), told as (${recordFrom(sql`placed`, told)})
    select (select id from recipient) as recipient, (select created_at from placed) as created_at`;
}

/** Sends a message: one statement, one commit. */
export const insertMessage = statement<NewMessage, Sent>((p) => sql`with ${addressee(p)}, ${send(sql`addressee`, p)}`);

/** The same unless the key was used before: then it writes nothing. */
export const insertMessageOnce = statement<NewMessage & KeyInput, Sent>(
  (p) => sql`with ${addressee(p)}, claimed as (${claimKey(sql`addressee`, p)}), ${send(sql`claimed`, p)}`,
);

/** A message by its sender: what a repeated send answers. */
export const findSent = statement<{ id: string; senderId: string }, Omit<MessageRow, "mtime">>(
  (p) => sql`select id, sender_id, recipient_id, text, created_at, read_at from ${messages}
    where id = ${p.id}::uuid and sender_id = ${p.senderId}::uuid
    union all
    select id, sender_id, recipient_id, text, created_at, null from ${withheldMessages}
    where id = ${p.id}::uuid and sender_id = ${p.senderId}::uuid`,
);
