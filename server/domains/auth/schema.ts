import { sql } from "drizzle-orm";
import { check, index, text, uniqueIndex } from "drizzle-orm/pg-core";
import { backstay, bytes, id, moment } from "../../platform/db/index.js";
import { accounts } from "../accounts/schema.js";

/** Tokens, by their SHA-256. The tokens of one sign-in are a family and are revoked together, by deleting them. */
export const grants = backstay.table(
  "grants",
  {
    id: id("id").primaryKey(),
    kind: text("kind").notNull(),
    tokenHash: bytes("token_hash").notNull(),
    /** Null for a setup token: it is there to make the account. */
    accountId: id("account_id").references(() => accounts.id, { onDelete: "cascade" }),
    familyId: id("family_id").notNull(),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
    /** The end of the whole family, however often it is refreshed. */
    familyExpiresAt: moment("family_expires_at").notNull(),
    /** When a refresh token was exchanged; it is kept to notice a second use. */
    rotatedAt: moment("rotated_at"),
  },
  (t) => [
    uniqueIndex("grants_token_hash").on(t.tokenHash),
    index("grants_family").on(t.familyId),
    index("grants_account").on(t.accountId),
    index("grants_expires_at").on(t.expiresAt),
    check("grants_kind", sql`${t.kind} in ('access', 'refresh', 'cookie', 'setup')`),
    check("grants_owner", sql`(${t.accountId} is null) = (${t.kind} = 'setup')`),
  ],
);

/** Signatures of requests that changed something, until they expire: what keeps each from being used twice. */
export const signatureUses = backstay.table(
  "signature_uses",
  {
    digest: bytes("digest").primaryKey(),
    expiresAt: moment("expires_at").notNull(),
  },
  (t) => [index("signature_uses_expires_at").on(t.expiresAt)],
);
