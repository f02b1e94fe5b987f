import { sql } from "drizzle-orm";
import { statement } from "../db/index.js";
import { auditInbox } from "./schema.js";

/** An entry as it is kept until it has its place. */
export interface InboxRow {
  at: Date;
  type: string;
  actorKind: string;
  actorId: string | undefined;
  accountId: string | undefined;
  address: string;
  requestId: string;
  /** JSON. */
  detail: string;
}

export const insertEntry = statement<InboxRow, never>(
  (p) => sql`insert into ${auditInbox} (at, type, actor_kind, actor_id, account_id, address, request_id, detail)
    values (${p.at}::timestamptz, ${p.type}::text, ${p.actorKind}::text, ${p.actorId}::uuid, ${p.accountId}::uuid,
      ${p.address}::text, ${p.requestId}::text, ${p.detail}::text)`,
);
