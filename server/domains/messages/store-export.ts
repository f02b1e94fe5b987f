import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { messages } from "./schema.js";

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
 * every send would pay for; so the table is looked through, a bounded part in each statement.
 */
export const listSent = statement<{ senderId: string; after: string; count: number }, SentRow>(
  (p) => sql`with looked as (
      select id, sender_id = ${p.senderId}::uuid as own from ${messages} where id > ${p.after}::uuid
      order by id limit ${p.count}::int
    ), kept as (
      select id, own from looked where own or id = (select id from looked order by id desc limit 1)
    )
    select k.id, k.own, case when k.own then m.recipient_id end as recipient_id, case when k.own then m.text end as text,
      case when k.own then m.created_at end as created_at
    from kept k join ${messages} m on m.id = k.id
    order by k.id`,
);
