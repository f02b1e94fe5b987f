import { sql } from "drizzle-orm";
import { bigint, check, index, text, uniqueIndex } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../../platform/db/index.js";
import { accounts } from "../accounts/schema.js";

/** Messages, kept with their recipient. The sender may be gone: its id stays. */
export const messages = backstay.table(
  "messages",
  {
    id: id("id").primaryKey(),
    recipientId: id("recipient_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    senderId: id("sender_id").notNull(),
    /** Order of arrival: milliseconds since 1970, unique per recipient, so that no two messages share a place. */
    mtime: bigint("mtime", { mode: "bigint" }).notNull(),
    text: text("text").notNull(),
    /** The same as a time. */
    createdAt: moment("created_at").notNull(),
    readAt: moment("read_at"),
  },
  (t) => [
    uniqueIndex("messages_recipient_mtime").on(t.recipientId, t.mtime),
    index("messages_unread").on(t.recipientId, t.mtime).where(sql`read_at is null`),
    index("messages_recipient_sender_mtime").on(t.recipientId, t.senderId, t.mtime),
    // For what an account has sent, which it can export: every send pays some 3 % of what it costs the database for it.
    index("messages_sender").on(t.senderId, t.id),
    check("messages_text_length", sql`length(${t.text}) <= 16384`),
  ],
);

/** Messages to somebody who had blocked their sender: kept in what the sender has sent, and seen by nobody else. */
export const withheldMessages = backstay.table(
  "withheld_messages",
  {
    id: id("id").primaryKey(),
    senderId: id("sender_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    recipientId: id("recipient_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    text: text("text").notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (t) => [
    index("withheld_messages_sender").on(t.senderId, t.id),
    index("withheld_messages_recipient").on(t.recipientId),
    check("withheld_messages_text_length", sql`length(${t.text}) <= 16384`),
  ],
);
