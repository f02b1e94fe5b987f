import { sql } from "drizzle-orm";
import { type Db, runSql, statement } from "../db/index.js";
import type { EntriesWanted, LoggedEntry } from "./audit.js";
import type { EntryFields } from "./entry-hash.js";
import type { Head } from "./head.js";
import { auditHead, auditInbox, auditLog } from "./schema.js";

/** What is hashed of an entry, as it is stored: the driver would cut a time to the millisecond. */
export const FIELDS = sql.raw(
  `to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as at,
    type, actor_kind, actor_id, account_id, address, request_id, detail`,
);

/** The columns of a head. */
export const HEAD = sql.raw("first_hash, pruned_sequence, last_sequence, last_hash, mac");

/** The head, and whether there are entries without a place. */
export const readHead = statement<object, Head & { waits: boolean }>(
  () => sql`select ${HEAD}, exists (select 1 from ${auditInbox}) as waits from ${auditHead}`,
);

/** The head together with the places of the entries that are first and last in the table; null when there is none. */
export const readEnds = statement<object, Head & { oldest: bigint | null; newest: bigint | null }>(
  () => sql`select ${HEAD}, (select min(sequence) from ${auditLog}) as oldest,
    (select max(sequence) from ${auditLog}) as newest from ${auditHead}`,
);

/** Whether an entry stands where the log has begun. The server never puts one before that. */
export const IS_KEPT = sql`sequence > coalesce((select pruned_sequence from ${auditHead}), 0)`;

/** An entry with what it is checked by. */
export interface CheckedEntry extends EntryFields {
  sequence: bigint;
  hash: Buffer;
}

/** Entries behind a place, as far as another, to be checked. */
export const readEntries = statement<{ after: bigint; upTo: bigint; limit: number }, CheckedEntry>(
  (p) => sql`select sequence, hash, ${FIELDS} from ${auditLog}
    where sequence > ${p.after}::bigint and sequence <= ${p.upTo}::bigint order by sequence limit ${p.limit}::int`,
);

/** A page of the log. */
export function listEntries(ctx: { readonly db: Db }, wanted: EntriesWanted): Promise<LoggedEntry[]> {
  const { type, accountId, since, descending, after } = wanted;
  const conditions = [
    IS_KEPT,
    ...(type === undefined ? [] : [isOfType(type)]),
    ...(accountId === undefined ? [] : [sql`(actor_id = ${accountId}::uuid or account_id = ${accountId}::uuid)`]),
    ...(since === undefined ? [] : [sql`at >= ${since}::timestamptz`]),
    ...(after === undefined ? [] : [sql`sequence ${descending ? sql`<` : sql`>`} ${after}::bigint`]),
  ];
  return runSql<LoggedEntry>(
    ctx,
    sql`select sequence, at, type, actor_kind, actor_id, account_id, address, request_id, detail, hash from ${auditLog}
      where ${sql.join(conditions, sql` and `)}
      order by sequence ${descending ? sql`desc` : sql`asc`} limit ${wanted.limit}::int`,
  );
}

function isOfType(type: string) {
  return type.endsWith(".*") ? sql`starts_with(type, ${type.slice(0, -1)}::text)` : sql`type = ${type}::text`;
}
