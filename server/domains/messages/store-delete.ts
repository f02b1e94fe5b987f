import { type SQL, sql } from "drizzle-orm";
import { type Parameters, statement } from "../../platform/db/index.js";
import { existingAccount } from "../accounts/index.js";
import { decrement, moveWithheld } from "../counters/index.js";
import { messages, withheldMessages } from "./schema.js";
import { heldRecipient } from "./store-row.js";

interface Recipient {
  recipientId: string;
}

interface Sender {
  senderId: string;
}

/** How many messages the recipient had that are gone, and whether any counter has moved. */
export interface Deleted {
  deleted: bigint;
  moved: boolean;
}

/**
 * Deletes what is `picked`, and what is `withheld` with it, and takes off the counters what is gone. The account is held first, then
 * the rows in the order of their arrival and the counters by name, as everyone does who locks several.
 */
function deletion(p: Parameters<Recipient>, picked: SQL, withheld = NOTHING): SQL {
  const accountId = sql`${p.recipientId}::uuid`;
  const uncounted = decrement("msg_count", { from: sql`total where deleted > 0`, accountId, amount: sql`deleted` });
  // Reading the row of the one before makes each the next.
  const unread = decrement("msg_read", {
    from: sql`total where read > 0 and (select count(*) from uncounted) >= 0`,
    accountId,
    amount: sql`read`,
  });
  const uncountedForSender = moveWithheld(sql`
    select recipient_id as account_id, sender_id as viewer_id, 'msg_count' as name, -1 as amount
    from withheld where (select count(*) from unread) >= 0`);
  return sql`with recipient as (${heldRecipient(p.recipientId)}), picked as (
      select id from ${messages} where recipient_id = (select id from recipient) and ${picked} order by mtime for update
    ), gone as (
      delete from ${messages} where id in (select id from picked) returning read_at
    ), ${withheld}, total as (
      select count(*) as deleted, count(read_at) as read, (select count(*) from withheld) as withheld from gone
    ), uncounted as (${uncounted}), unread as (${unread}), uncounted_for_sender as (${uncountedForSender})
    select deleted, deleted + withheld > 0 as moved from total`;
}

const NOTHING = sql`withheld as (select null::uuid as recipient_id, null::uuid as sender_id where false)`;

/**
 * What the recipient never got goes like what he had, or its sender could tell them apart. The sender's account is held before it:
 * who deletes that holds what was counted for it first, and comes to this afterwards.
 */
function withheldOf(p: Parameters<Sender>, which: SQL): SQL {
  return sql`sender as (${existingAccount(p.senderId)} for key share), withheld as (
      delete from ${withheldMessages} where id in (
        select id from ${withheldMessages}
        where recipient_id = (select id from recipient) and sender_id = (select id from sender) and ${which}
        order by id for update
      )
      returning recipient_id, sender_id
    )`;
}

/** Nobody but its sender knows the id of a message that was withheld. */
export const deleteByIds = statement<Recipient & { ids: string[] }, Deleted>((p) =>
  deletion(p, sql`id = any(${p.ids}::uuid[])`),
);

export const deleteByTime = statement<Recipient & { mtime: number }, Deleted>((p) =>
  deletion(p, sql`mtime = ${p.mtime}::bigint`),
);

export const deleteBySender = statement<Recipient & Sender, Deleted>((p) =>
  deletion(p, sql`sender_id = ${p.senderId}::uuid`, withheldOf(p, sql`true`)),
);

export const deleteBySenderAndTime = statement<Recipient & Sender & { mtime: number }, Deleted>((p) =>
  deletion(
    p,
    sql`mtime = ${p.mtime}::bigint and sender_id = ${p.senderId}::uuid`,
    withheldOf(p, sql`created_at = to_timestamp(${p.mtime}::bigint / 1000.0)`),
  ),
);
