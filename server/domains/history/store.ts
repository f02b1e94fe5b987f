import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { history } from "./schema.js";

export interface NewEntry extends NewEvent {
  id: string;
  accountId: string;
  type: string;
  /** As JSON; absent where nothing was said. */
  data: string | undefined;
}

/** Entry and event in one statement; `gate` is the row that lets them happen. */
function append(gate: SQL, p: Parameters<NewEntry>): SQL {
  return sql`added as (
      insert into ${history} (id, account_id, type, data, created_at)
      select ${p.id}::uuid, ${p.accountId}::uuid, ${p.type}::text, ${p.data}::text::jsonb, ${p.at}::timestamptz
      from ${gate}
      returning id
    ), told as (${recordFrom(sql`added`, p)})
    select id from added`;
}

/** Adds an entry: one statement, one commit. */
export const insertEntry = statement<NewEntry, { id: string }>(
  (p) => sql`with once as (select 1), ${append(sql`once`, p)}`,
);

/** The same unless the key was used before: then it writes nothing, and returns no row. */
export const insertEntryOnce = statement<NewEntry & KeyInput, { id: string }>(
  (p) => sql`with claimed as (${claimKey(sql`(select 1) as once`, p)}), ${append(sql`claimed`, p)}`,
);
