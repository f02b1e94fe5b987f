import { type SQL, sql } from "drizzle-orm";
import { type Parameters, statement } from "../../platform/db/index.js";
import { isBlocked } from "../blocks/index.js";
import { increment } from "../counters/index.js";
import { messages } from "./schema.js";
import { columns, heldRecipient, type MessageRow } from "./store-row.js";

// Who locks several messages takes the account first, then them in the order of their arrival, and the counters after them: nobody
// waits in a ring.

/** A message of one recipient. */
export const findReceived = statement<{ id: string; recipientId: string }, MessageRow>(
  (p) => sql`select ${columns} from ${messages} where id = ${p.id}::uuid and recipient_id = ${p.recipientId}::uuid`,
);

/** The message of one recipient that a sender's messages have at a place. */
export const findAtPlace = statement<{ recipientId: string; senderId: string; mtime: number }, MessageRow>(
  (p) => sql`select ${columns} from ${messages}
    where recipient_id = ${p.recipientId}::uuid and mtime = ${p.mtime}::bigint and sender_id = ${p.senderId}::uuid`,
);

/** Marks a received message read and counts it, the first time only; returns it then. */
export const markRead = statement<{ id: string; recipientId: string; at: Date; atMs: number }, MessageRow>(
  (p) => sql`with recipient as (${heldRecipient(p.recipientId)}), marked as (
      update ${messages} set read_at = ${p.at}::timestamptz
      where id = ${p.id}::uuid and recipient_id = (select id from recipient) and read_at is null
      returning ${columns}
    ), counted as (${increment("msg_read", { from: sql`marked`, accountId: sql`recipient_id`, now: p.atMs })})
    select ${columns} from marked`,
);

export interface UnreadPage {
  recipientId: string;
  /** The place of the last message of the page before. */
  after: number | undefined;
  limit: number;
}

/** What the statements below look for; nothing of a sender who is blocked. */
function isUnread(p: Pick<Parameters<UnreadPage>, "recipientId">): SQL {
  const recipientId = sql`${p.recipientId}::uuid`;
  return sql`recipient_id = ${recipientId} and read_at is null and not ${isBlocked(recipientId, sql`sender_id`)}`;
}

/** A page of unread messages in the order of their arrival. */
export const listUnread = statement<UnreadPage, MessageRow>(
  (p) => sql`select ${columns} from ${messages}
    where ${isUnread(p)} and mtime > coalesce(${p.after}::bigint, 0)
    order by mtime limit ${p.limit}::int`,
);

/** The same, marked read and counted; `more` tells whether others come after it. */
export const takeUnread = statement<UnreadPage & { at: Date; atMs: number }, MessageRow & { more: boolean }>(
  (p) => sql`with recipient as (${heldRecipient(p.recipientId)}), picked as (
      select id from ${messages}
      where exists (select 1 from recipient) and ${isUnread(p)} and mtime > coalesce(${p.after}::bigint, 0)
      order by mtime limit ${p.limit}::int for update
    ), marked as (
      update ${messages} set read_at = ${p.at}::timestamptz where id in (select id from picked) returning ${columns}
    ), total as (select count(*) as amount from marked having count(*) > 0),
    counted as (${increment("msg_read", {
      from: sql`total`,
      accountId: sql`${p.recipientId}::uuid`,
      now: p.atMs,
      amount: sql`amount`,
    })})
    select ${columns}, exists (
      select 1 from ${messages} where ${isUnread(p)} and mtime > (select max(marked.mtime) from marked)
    ) as more
    from marked order by mtime`,
);
