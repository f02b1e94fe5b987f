import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { messages, withheldMessages } from "./schema.js";
import { columns, type MessageRow } from "./store-row.js";

/** A page of received messages in the order of their arrival, of senders who are blocked too. */
export const listReceived = statement<{ recipientId: string; after: number; limit: number }, MessageRow>(
  (p) => sql`select ${columns} from ${messages}
    where recipient_id = ${p.recipientId}::uuid and mtime > ${p.after}::bigint
    order by mtime limit ${p.limit}::int`,
);

/** A message as its sender knows it, and how far the table was looked through for it. */
export interface SentRow {
  id: string;
  recipientId: string;
  text: string;
  createdAt: Date;
  /** False for the last row that was looked at, when it is another's: there is nothing in it then. */
  own: boolean;
}

/**
 * What an account has sent among the next `count` messages after an id, and the last of those. There is no index by sender, which
 * every send would pay for; so the table is looked through, a bounded part in each statement. What was withheld from its
 * recipient, which has one, stands among the others.
 */
export const listSent = statement<{ senderId: string; after: string; count: number }, SentRow>(
  (p) => sql`with looked as (
      (select id, sender_id = ${p.senderId}::uuid as own from ${messages} where id > ${p.after}::uuid
        order by id limit ${p.count}::int)
      union all
      (select id, true from ${withheldMessages} where sender_id = ${p.senderId}::uuid and id > ${p.after}::uuid
        order by id limit ${p.count}::int)
      order by id limit ${p.count}::int
    ), kept as (
      select id, own from looked where own or id = (select id from looked order by id desc limit 1)
    )
    select k.id, k.own, m.recipient_id, m.text, m.created_at
    from kept k left join lateral (
      select recipient_id, text, created_at from ${messages} where id = k.id
      union all
      select recipient_id, text, created_at from ${withheldMessages} where id = k.id
    ) m on k.own
    order by k.id`,
);
