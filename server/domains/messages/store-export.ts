import { type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { messages, withheldMessages } from "./schema.js";
import { columns, type MessageRow } from "./store-row.js";

/** A page of received messages in the order of their arrival, of senders who are blocked too. */
export const listReceived = statement<{ recipientId: string; after: number; limit: number }, MessageRow>(
  (p) => sql`select ${columns} from ${messages}
    where recipient_id = ${p.recipientId}::uuid and mtime > ${p.after}::bigint
    order by mtime limit ${p.limit}::int`,
);

/** A message as its sender knows it. */
export interface SentRow {
  id: string;
  recipientId: string;
  text: string;
  createdAt: Date;
}

/** A page of what an account has sent, in the order of its ids; what was withheld from its recipient stands among the others. */
export const listSent = statement<{ senderId: string; after: string; limit: number }, SentRow>(
  (p) => sql`(${sentIn(messages, p)}) union all (${sentIn(withheldMessages, p)}) order by id limit ${p.limit}::int`,
);

/**
 * One sender's, as a range of the index by sender, whose order no other index has: the planner might walk the table by its key. Nor
 * does it know the limit: where it thinks that somebody has sent no more, it would read and sort all of that.
 */
function sentIn(table: SQLWrapper, p: { senderId: SQL; after: SQL; limit: SQL }): SQL {
  return sql`select id, recipient_id, text, created_at from ${table}
    where (sender_id, id) > (${p.senderId}::uuid, ${p.after}::uuid) and sender_id <= ${p.senderId}::uuid
    order by sender_id, id limit (select ${p.limit}::int)`;
}
