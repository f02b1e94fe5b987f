import { type SQL, sql } from "drizzle-orm";
import { type Parameters, statement } from "../../platform/db/index.js";
import { decrement } from "../counters/index.js";
import { messages } from "./schema.js";
import { heldRecipient } from "./store-row.js";

interface Recipient {
  recipientId: string;
}

/**
 * Deletes, and takes off the counters what is gone. The account is held first, then the rows in the order of their arrival and the
 * counters by name, as everyone does who locks several.
 */
function deletion<Which extends object>(which: (p: Parameters<Which>) => SQL) {
  return statement<Recipient & Which, { deleted: bigint }>((p) => {
    const accountId = sql`${p.recipientId}::uuid`;
    const uncounted = decrement("msg_count", { from: sql`total where deleted > 0`, accountId, amount: sql`deleted` });
    const unread = decrement("msg_read", {
      // Reading the other counter's row makes this one the second.
      from: sql`total where read > 0 and (select count(*) from uncounted) >= 0`,
      accountId,
      amount: sql`read`,
    });
    return sql`with recipient as (${heldRecipient(p.recipientId)}), picked as (
        select id from ${messages} where recipient_id = (select id from recipient) and ${which(p)} order by mtime for update
      ), gone as (
        delete from ${messages} where id in (select id from picked) returning read_at
      ), total as (select count(*) as deleted, count(read_at) as read from gone),
      uncounted as (${uncounted}), unread as (${unread})
      select deleted from total`;
  });
}

export const deleteByIds = deletion<{ ids: string[] }>((p) => sql`id = any(${p.ids}::uuid[])`);
export const deleteBySender = deletion<{ senderId: string }>((p) => sql`sender_id = ${p.senderId}::uuid`);
export const deleteByTime = deletion<{ mtime: number }>((p) => sql`mtime = ${p.mtime}::bigint`);
export const deleteBySenderAndTime = deletion<{ senderId: string; mtime: number }>(
  (p) => sql`mtime = ${p.mtime}::bigint and sender_id = ${p.senderId}::uuid`,
);
