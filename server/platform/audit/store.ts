import { sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../db/index.js";
import type { EntryFields } from "./entry-hash.js";
import type { Head } from "./head.js";
import { auditHead, auditInbox, auditLog } from "./schema.js";
import { FIELDS, HEAD, IS_KEPT } from "./store-read.js";

const LIMIT = sql.raw(String(PRUNE_BATCH));

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

/** The head, for whoever is to write it; no row when somebody else is at it. */
export const takeHead = statement<object, Head>(() => sql`select ${HEAD} from ${auditHead} for update skip locked`);

/** The same, waiting until nobody is. */
export const waitForHead = statement<object, Head>(() => sql`select ${HEAD} from ${auditHead} for update`);

/** The first entries that have no place yet. */
export const readInbox = statement<{ limit: number }, EntryFields & { seq: bigint }>(
  (p) => sql`select seq, ${FIELDS} from ${auditInbox} order by seq limit ${p.limit}::int`,
);

/** What an addition makes of the head. */
export type NewHead = Pick<Head, "lastSequence" | "lastHash" | "mac">;

/** Gives entries their places, in the order of `seqs`, of which each hash (in hex) is one; answers how many there were. */
export const appendEntries = statement<
  NewHead & { seqs: string[]; hashes: string[]; after: bigint },
  { count: bigint }
>(
  (p) => sql`with placed as (
      select seq::bigint, decode(hash, 'hex') as hash, ${p.after}::bigint + n as sequence
      from unnest(${p.seqs}::text[], ${p.hashes}::text[]) with ordinality as given (seq, hash, n)
    ), taken as (
      delete from ${auditInbox} i using placed where i.seq = placed.seq
      returning i.*, placed.sequence, placed.hash
    ), headed as (
      update ${auditHead} set last_sequence = ${p.lastSequence}::bigint, last_hash = ${p.lastHash}::bytea, mac = ${p.mac}::bytea
    ), added as (
      insert into ${auditLog} (sequence, at, type, actor_kind, actor_id, account_id, address, request_id, detail, hash)
      select sequence, at, type, actor_kind, actor_id, account_id, address, request_id, detail, hash
      from taken order by sequence
      returning 1
    )
    select count(*) as count from added`,
);

/** Writes the head's MAC anew. */
export const signHead = statement<{ mac: Buffer }, never>((p) => sql`update ${auditHead} set mac = ${p.mac}::bytea`);

/** Lets this transaction, and no other, take entries away. */
export const allowPruning = statement<object, never>(
  () => sql`select set_config('backstay.audit_retention', 'on', true)`,
);

/** Takes away a batch of entries of the log's beginning that are old enough; answers the last of them, and how many. */
export const pruneEntries = statement<{ before: Date }, { sequence: bigint; hash: Buffer; pruned: bigint }>(
  (p) => sql`with first as (
      select sequence, at from ${auditLog} where ${IS_KEPT} order by sequence limit ${LIMIT}
    ), kept as (
      select min(sequence) as sequence from first where at >= ${p.before}::timestamptz
    ), gone as (
      delete from ${auditLog} l using first, kept
      where l.sequence = first.sequence and (kept.sequence is null or l.sequence < kept.sequence)
      returning l.sequence, l.hash
    )
    select sequence, hash, count(*) over () as pruned from gone order by sequence desc limit 1`,
);

/** Notes where the log begins now. */
export const moveBeginning = statement<Pick<Head, "firstHash" | "prunedSequence" | "mac">, never>(
  (p) => sql`update ${auditHead} set first_hash = ${p.firstHash}::bytea, pruned_sequence = ${p.prunedSequence}::bigint,
    mac = ${p.mac}::bytea`,
);
