import { sql } from "drizzle-orm";
import { bigint, bigserial, check, index, smallint, text } from "drizzle-orm/pg-core";
import { backstay, bytes, id, moment } from "../db/columns.js";

/** What an entry says, before and after it has its place. */
const saying = {
  at: moment("at").notNull(),
  type: text("type").notNull(),
  actorKind: text("actor_kind").notNull(),
  actorId: id("actor_id"),
  accountId: id("account_id"),
  address: text("address").notNull(),
  requestId: text("request_id").notNull(),
  /** JSON, kept as it was written: its hash is over these very bytes. */
  detail: text("detail").notNull(),
};

/** Entries that are committed and not yet in the log: written by the business transaction, emptied by the chainer. */
export const auditInbox = backstay.table("audit_inbox", {
  seq: bigserial("seq", { mode: "bigint" }).primaryKey(),
  ...saying,
});

/** The audit log: each entry's hash is over itself and the hash before. A trigger refuses every change but that of retention. */
export const auditLog = backstay.table(
  "audit_log",
  {
    sequence: bigint("sequence", { mode: "bigint" }).primaryKey(),
    ...saying,
    hash: bytes("hash").notNull(),
  },
  (t) => [
    index("audit_log_at").on(t.at),
    index("audit_log_type").on(t.type, t.sequence),
    index("audit_log_actor").on(t.actorId, t.sequence),
    index("audit_log_account").on(t.accountId, t.sequence),
  ],
);

/** The log's two ends, one row: whoever chains holds its lock. What it says of the last entry is MACed under the instance key. */
export const auditHead = backstay.table(
  "audit_head",
  {
    only: smallint("only").primaryKey().default(1),
    /** The hash that the first entry which is still kept was made with. */
    firstHash: bytes("first_hash").notNull(),
    /** The place of the last entry that retention has taken; 0 when it took none. */
    prunedSequence: bigint("pruned_sequence", { mode: "bigint" }).notNull(),
    lastSequence: bigint("last_sequence", { mode: "bigint" }).notNull(),
    lastHash: bytes("last_hash").notNull(),
    mac: bytes("mac").notNull(),
  },
  (t) => [check("audit_head_only", sql`${t.only} = 1`)],
);
