import { sql } from "drizzle-orm";
import { check, index, jsonb, text, uniqueIndex } from "drizzle-orm/pg-core";
import { backstay, bytes, id, moment } from "../../platform/db/index.js";

/** People and programs. Absent text is empty. */
export const accounts = backstay.table(
  "accounts",
  {
    id: id("id").primaryKey(),
    name: text("name").notNull(),
    alias: text("alias").notNull(),
    email: text("email").notNull(),
    phone: text("phone").notNull(),
    gender: text("gender").notNull(),
    birthday: text("birthday").notNull(),
    address: text("address").notNull(),
    roles: text("roles").array().notNull(),
    createdAt: moment("created_at").notNull(),
    updatedAt: moment("updated_at").notNull(),
    status: text("status").notNull().default("active"),
    /** When `email` was shown to be the account's; null since it was changed. */
    emailVerifiedAt: moment("email_verified_at"),
    /** When an address that was verified was last changed or taken away; null when none ever was. */
    emailReplacedAt: moment("email_replaced_at"),
  },
  (t) => [
    check("accounts_status", sql`${t.status} in ('active', 'banned')`),
    index("accounts_created_at_id").on(t.createdAt, t.id),
    check("accounts_name_length", sql`length(${t.name}) between 1 and 128`),
    check("accounts_alias_length", sql`length(${t.alias}) <= 128`),
    check("accounts_email_length", sql`length(${t.email}) <= 254`),
    check("accounts_phone_length", sql`length(${t.phone}) <= 32`),
    check("accounts_gender_length", sql`length(${t.gender}) <= 32`),
    check("accounts_birthday_length", sql`length(${t.birthday}) <= 10`),
    check("accounts_address_length", sql`length(${t.address}) <= 512`),
  ],
);

/** The ways in to an account: each is one subject of its kind, the same for nobody else. */
export const identities = backstay.table(
  "identities",
  {
    id: id("id").primaryKey(),
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    kind: text("kind").notNull(),
    /** Folded by NFKC and case: what is compared. */
    subject: text("subject").notNull(),
    /** As it was typed: what is shown. */
    label: text("label").notNull(),
    secretPhc: text("secret_phc"),
    createdAt: moment("created_at").notNull(),
    /** The secret itself, sealed under the instance key: only of accounts that may sign requests with it. */
    secretSealed: bytes("secret_sealed"),
    /** What else a kind needs: of a passkey its public key and counter, of a provider's identity who the provider is. */
    detail: jsonb("detail"),
    lastUsedAt: moment("last_used_at"),
  },
  (t) => [
    uniqueIndex("identities_kind_subject").on(t.kind, t.subject),
    index("identities_account").on(t.accountId),
    check("identities_kind", sql`${t.kind} in ('login', 'email', 'oidc', 'passkey', 'anonymous')`),
    check("identities_subject_length", sql`length(${t.subject}) between 1 and 1024`),
  ],
);
