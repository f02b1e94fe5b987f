import { sql } from "drizzle-orm";
import { check, index, jsonb, primaryKey, text } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../../platform/db/index.js";

/**
 * Links from one account to another, each with its reference in the same row: what its owner sees, and what its peer does. No
 * foreign keys: each would lock the row of an account that thousands connect to at once; the counters of both, which have
 * one, are what a connection and the deletion of an account meet at.
 */
export const connections = backstay.table(
  "connections",
  {
    accountId: id("account_id").notNull(),
    type: text("type").notNull(),
    peerId: id("peer_id").notNull(),
    /** Drawn by the statement that made it. */
    id: id("id").notNull(),
    /** Drawn by the statement that first showed it to the peer; null where it is withheld from him. */
    referenceId: id("reference_id"),
    properties: jsonb("properties").notNull(),
    createdAt: moment("created_at").notNull(),
    updatedAt: moment("updated_at").notNull(),
    /** What the peer sees where that is not the same: one of the two wrote while the other had blocked him. */
    peerProperties: jsonb("peer_properties"),
    peerUpdatedAt: moment("peer_updated_at"),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.type, t.peerId] }),
    index("connections_own").on(t.accountId, t.type, t.createdAt, t.peerId),
    index("connections_references").on(t.peerId, t.type, t.createdAt, t.accountId).where(sql`reference_id is not null`),
    // Few: what was written again since it was made, for who asks what is new.
    index("connections_rewritten").on(t.accountId, t.type, t.updatedAt).where(sql`updated_at > created_at`),
    index("connections_references_rewritten")
      .on(t.peerId, t.type, sql`coalesce(peer_updated_at, updated_at)`)
      .where(sql`reference_id is not null and coalesce(peer_updated_at, updated_at) > created_at`),
    // For an account that goes: those that are withheld from it too.
    index("connections_withheld").on(t.peerId).where(sql`reference_id is null`),
    check("connections_type", sql`${t.type} ~ '^[a-z][a-z0-9_]{0,31}$'`),
    check("connections_of_two", sql`${t.accountId} <> ${t.peerId}`),
    check(
      "connections_properties_size",
      // Each by itself: what the peer still sees takes up no room of the owner's, who could tell that he is blocked.
      sql`greatest(octet_length(${t.properties}::text), octet_length(${t.peerProperties}::text)) <= 16384`,
    ),
  ],
);
