import { type SQL, sql } from "drizzle-orm";
import { type Parameters, statement } from "../../platform/db/index.js";
import { decrement } from "../counters/index.js";
import { messages } from "./schema.js";

/** Messages of one recipient, by one way or the other. */
export interface Doomed {
  recipientId: string;
  ids: string[] | undefined;
  senderId: string | undefined;
  mtime: number | undefined;
}

/**
 * Deletes, and takes off the counters what is gone. The rows are locked in the order of their arrival and the counters by
 * name, as everyone does who locks several.
 */
function deletion(which: (p: Parameters<Doomed>) => SQL) {
  return statement<Doomed, { deleted: bigint }>((p) => {
    const accountId = sql`${p.recipientId}::uuid`;
    return sql`with picked as (
        select id from ${messages} where recipient_id = ${accountId} and ${which(p)} order by mtime for update
      ), gone as (
        delete from ${messages} where id in (select id from picked) returning read_at
      ), total as (select count(*) as deleted, count(read_at) as read from gone),
      uncounted as (
        ${decrement("msg_count", { from: sql`total where deleted > 0`, accountId, amount: sql`deleted` })}
      ), unread as (
        ${decrement("msg_read", {
          from: sql`total where read > 0 and (select count(*) from uncounted) >= 0`,
          accountId,
          amount: sql`read`,
        })}
      )
      select deleted from total`;
  });
}

export const deleteByIds = deletion((p) => sql`id = any(${p.ids}::uuid[])`);
export const deleteBySender = deletion((p) => sql`sender_id = ${p.senderId}::uuid`);
export const deleteByTime = deletion((p) => sql`mtime = ${p.mtime}::bigint`);
export const deleteBySenderAndTime = deletion(
  (p) => sql`mtime = ${p.mtime}::bigint and sender_id = ${p.senderId}::uuid`,
);
