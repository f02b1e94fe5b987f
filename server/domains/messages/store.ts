import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { existingAccount } from "../accounts/index.js";
import { increment } from "../counters/index.js";
import { messages } from "./schema.js";
import { columns, type MessageRow } from "./store-row.js";

export interface NewMessage extends NewEvent {
  id: string;
  senderId: string;
  recipientId: string;
  text: string;
  /** `at` in milliseconds, as the arrival stamp knows it. */
  atMs: number;
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

/** Counter, message and event in one statement; `gate` is the row that lets them happen. */
function send(gate: SQL, p: Parameters<NewMessage>): SQL {
  const { eventId, topics, eventType, actorId, at } = p;
  const event = { eventId, topics, eventType, actorId, at, eventData: sql`(${p.eventData}::jsonb || ${createTime})` };
  return sql`counted as (
      ${increment("msg_count", { from: gate, accountId: sql`(select id from recipient)`, now: p.atMs })}
    ), sent as (
      insert into ${messages} (id, recipient_id, sender_id, mtime, text, created_at)
      select ${p.id}::uuid, account_id, ${p.senderId}::uuid, stamp, ${p.text}::text, to_timestamp(stamp / 1000.0)
      from counted
      returning mtime, created_at
    ), told as (${recordFrom(sql`sent`, event)})
    select (select id from recipient) as recipient, (select created_at from sent) as created_at`;
}

/** Sends a message: one statement, one commit. */
export const insertMessage = statement<NewMessage, Sent>(
  (p) => sql`with recipient as (${existingAccount(p.recipientId)}), ${send(sql`recipient`, p)}`,
);

/** The same unless the key was used before: then it writes nothing. */
export const insertMessageOnce = statement<NewMessage & KeyInput, Sent>(
  (p) => sql`with recipient as (${existingAccount(p.recipientId)}),
    claimed as (${claimKey(sql`recipient`, p)}), ${send(sql`claimed`, p)}`,
);

/** A message by its sender: what a repeated send answers. */
export const findSent = statement<{ id: string; senderId: string }, MessageRow>(
  (p) => sql`select ${columns} from ${messages} where id = ${p.id}::uuid and sender_id = ${p.senderId}::uuid`,
);
