import { sql } from "drizzle-orm";
import { check, index, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { backstay, bytes, id, moment } from "./columns.js";

/** What holds for the whole installation, one row. */
export const installation = backstay.table(
  "installation",
  {
    only: smallint("only").primaryKey().default(1),
    /** Names the instance key this data was written with. */
    keyFingerprint: text("key_fingerprint").notNull(),
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
