import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { accounts, identities } from "../accounts/index.js";
import { apiKeys, grants } from "./schema.js";

/** So many are looked for at a time. */
const LIMIT = sql.raw("100");

/**
 * Whether nobody can come back to an account `a`: it was anonymous from its beginning, before a time, and no token lives, nor an
 * API key.
 */
const isUnreachable = (p: { before: SQL; at: SQL }) => sql`a.created_at < ${p.before}::timestamptz
  and exists (select 1 from ${identities} i where i.account_id = a.id and i.kind = 'anonymous')
  and not exists (select 1 from ${identities} i where i.account_id = a.id and i.kind <> 'anonymous')
  and not exists (
    select 1 from ${grants} g
    where g.account_id = a.id and g.rotated_at is null and g.expires_at > ${p.at}::timestamptz
  )
  and not exists (
    select 1 from ${apiKeys} k
    where k.account_id = a.id and (k.expires_at is null or k.expires_at > ${p.at}::timestamptz)
  )`;

/** A batch of accounts that nobody can come back to, in the order of their ids, after one of them. */
export const findUnreachable = statement<{ before: Date; at: Date; after: string }, { id: string }>(
  (p) =>
    sql`select a.id from ${accounts} a where a.id > ${p.after}::uuid and ${isUnreachable(p)} order by a.id limit ${LIMIT}`,
);

/** Holds such an account until the transaction ends; returns no row when somebody has come back to it. */
export const holdUnreachable = statement<{ id: string; before: Date; at: Date }, { id: string }>(
  (p) => sql`select a.id from ${accounts} a where a.id = ${p.id}::uuid and ${isUnreachable(p)} for update`,
);
