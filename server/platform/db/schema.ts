import { sql } from "drizzle-orm";
import { check, index, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { backstay, bytes, id, moment } from "./columns.js";

/** What holds for the whole installation, one row. */
export const installation = backstay.table(
  "installation",
  {
    only: smallint("only").primaryKey().default(1),
    /** Names the instance key all of this data can be read with. */
    keyFingerprint: text("key_fingerprint").notNull(),
    /** What its nodes call it among themselves: the name of its first key, whichever it has now. */
    name: text("name").notNull(),
  },
  (t) => [check("installation_only", sql`${t.only} = 1`)],
);

/** Creates that may be repeated: which resource a key stands for, for 24 hours. */
export const idempotencyKeys = backstay.table(
  "idempotency_keys",
  {
    scope: text("scope").notNull(),
    key: text("key").notNull(),
    requestHash: bytes("request_hash").notNull(),
    resourceId: id("resource_id").notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.scope, t.key] }),
    index("idempotency_keys_created_at").on(t.createdAt),
    check("idempotency_keys_key_length", sql`length(${t.key}) <= 255`),
  ],
);
