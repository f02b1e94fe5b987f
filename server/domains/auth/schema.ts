import { sql } from "drizzle-orm";
import { bigint, check, index, integer, primaryKey, text, uniqueIndex } from "drizzle-orm/pg-core";
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

/** The sign-ins as their owner sees them; `id` is the family of its tokens. A sign-in without living tokens is over. */
export const devices = backstay.table(
  "devices",
  {
    id: id("id").primaryKey(),
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    method: text("method").notNull(),
    address: text("address").notNull(),
    createdAt: moment("created_at").notNull(),
    lastSeenAt: moment("last_seen_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (t) => [
    index("devices_account").on(t.accountId, t.createdAt, t.id),
    index("devices_expires_at").on(t.expiresAt),
    check("devices_name_length", sql`length(${t.name}) <= 256`),
    check("devices_method", sql`${t.method} in ('secret', 'passkey', 'oidc', 'anonymous', 'session')`),
  ],
);

/** Tries of secrets and codes, by a keyed hash of what was tried for. Unlogged: a crash of the database forgives. */
export const signInTries = backstay.table(
  "sign_in_tries",
  {
    key: bytes("key").primaryKey(),
    tries: integer("tries").notNull(),
    lastAt: moment("last_at").notNull(),
    lockedUntil: moment("locked_until").notNull(),
  },
  (t) => [index("sign_in_tries_last_at").on(t.lastAt)],
);

/** One-time codes that were sent by mail, by their MAC: one of each purpose and account. */
export const oneTimeCodes = backstay.table(
  "one_time_codes",
  {
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    purpose: text("purpose").notNull(),
    /** The address it was sent to, folded. */
    target: text("target").notNull(),
    codeMac: bytes("code_mac").notNull(),
    tries: integer("tries").notNull(),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.purpose] }),
    index("one_time_codes_target").on(t.target),
    index("one_time_codes_expires_at").on(t.expiresAt),
    check("one_time_codes_purpose", sql`${t.purpose} in ('verify-email', 'reset-secret')`),
  ],
);

/** Authenticators (TOTP). One that was not confirmed does not count yet. */
export const totp = backstay.table("totp", {
  accountId: id("account_id")
    .primaryKey()
    .references(() => accounts.id, { onDelete: "cascade" }),
  secretSealed: bytes("secret_sealed").notNull(),
  confirmedAt: moment("confirmed_at"),
  /** The time step of the last code that was taken: none of it or before serves again. */
  lastStep: bigint("last_step", { mode: "number" }).notNull(),
  createdAt: moment("created_at").notNull(),
});

/** Recovery codes, by their MAC. Each serves once and is gone. */
export const recoveryCodes = backstay.table(
  "recovery_codes",
  {
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    codeMac: bytes("code_mac").notNull(),
  },
  (t) => [primaryKey({ columns: [t.accountId, t.codeMac] })],
);

/** What was begun with a browser and is to be finished: used once, by deleting it. */
export const authChallenges = backstay.table(
  "auth_challenges",
  {
    id: id("id").primaryKey(),
    kind: text("kind").notNull(),
    accountId: id("account_id").references(() => accounts.id, { onDelete: "cascade" }),
    /** SHA-256 of what whoever began holds besides the id; null where nothing is. */
    tokenHash: bytes("token_hash"),
    dataSealed: bytes("data_sealed").notNull(),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at").notNull(),
  },
  (t) => [
    index("auth_challenges_expires_at").on(t.expiresAt),
    index("auth_challenges_account").on(t.accountId),
    check("auth_challenges_kind", sql`${t.kind} in ('passkey-registration', 'passkey-sign-in', 'oauth')`),
  ],
);

/** Keys of programs: found by SHA-256 when they are sent, opened when something was signed with them. */
export const apiKeys = backstay.table(
  "api_keys",
  {
    id: id("id").primaryKey(),
    /** Null for a key of the installation. */
    accountId: id("account_id").references(() => accounts.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    scopes: text("scopes").array().notNull(),
    keyHash: bytes("key_hash").notNull(),
    keySealed: bytes("key_sealed").notNull(),
    createdAt: moment("created_at").notNull(),
    expiresAt: moment("expires_at"),
    lastUsedAt: moment("last_used_at"),
  },
  (t) => [
    uniqueIndex("api_keys_key_hash").on(t.keyHash),
    index("api_keys_account").on(t.accountId, t.createdAt, t.id),
    check("api_keys_name_length", sql`length(${t.name}) <= 128`),
  ],
);
