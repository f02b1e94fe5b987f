import { type SQL, sql } from "drizzle-orm";
import {
  type Columns,
  type Parameters,
  parametersOf,
  runSql,
  type Statement,
  statement,
} from "../../platform/db/index.js";
import { isBlocked } from "../blocks/index.js";
import { messages } from "./schema.js";
import { columns, type MessageRow } from "./store-row.js";

/** The columns that lists of received messages are filtered by. */
export const COLUMNS: Columns<MessageRow> = {
  id: { holds: "id", sql: sql`id`, public: true },
  sender_id: { holds: "id", sql: sql`sender_id`, public: true },
  text: { holds: "text", sql: sql`text`, public: true, of: ({ text }) => text },
  create_time: { holds: "time", sql: sql`created_at`, public: true },
  read_time: { holds: "time", sql: sql`read_at`, public: true },
};

export interface MessagePage {
  recipientId: string;
  senderId: string | undefined;
  /** Only messages that arrived after this, in milliseconds. */
  since: number | undefined;
  /** The place of the last message of the page before. */
  after: number | undefined;
  limit: number;
}

interface Shape {
  bySender: boolean;
  descending: boolean;
}

const MAX = sql.raw("9223372036854775807");

function page({ bySender, descending }: Shape, p: Parameters<MessagePage>, where: SQL): SQL {
  const recipientId = sql`${p.recipientId}::uuid`;
  const senderId = bySender ? sql`${p.senderId}::uuid` : sql`sender_id`;
  const onlySender = bySender ? sql`and sender_id = ${senderId}` : sql``;
  const beyond = descending
    ? sql`mtime < coalesce(${p.after}::bigint, ${MAX})`
    : sql`mtime > coalesce(${p.after}::bigint, 0)`;
  return sql`select ${columns} from ${messages}
    where recipient_id = ${recipientId} ${onlySender} and mtime > coalesce(${p.since}::bigint, 0)
      and ${beyond} and ${where} and not ${isBlocked(recipientId, senderId)}
    order by mtime ${descending ? sql`desc` : sql`asc`} limit ${p.limit}::int`;
}

const plain = (shape: Shape) => statement<MessagePage, MessageRow>((p) => page(shape, p, sql`true`));

const PAGES = {
  all: {
    ascending: plain({ bySender: false, descending: false }),
    descending: plain({ bySender: false, descending: true }),
  },
  bySender: {
    ascending: plain({ bySender: true, descending: false }),
    descending: plain({ bySender: true, descending: true }),
  },
};

/** A page of received messages in the order of their arrival, or the reverse, without those of senders who are blocked. */
export function listReceived({ bySender, descending }: Shape): Statement<MessagePage, MessageRow> {
  return PAGES[bySender ? "bySender" : "all"][descending ? "descending" : "ascending"];
}

/** The same of those only that satisfy `where`. */
export function listMatching(shape: Shape, where: SQL): Statement<MessagePage, MessageRow> {
  return (ctx, input) => runSql(ctx, page(shape, parametersOf(input), where));
}
