import { sql } from "drizzle-orm";
import { check, index, jsonb, text } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../../platform/db/index.js";
import { accounts } from "../accounts/schema.js";

/** What apps want remembered of accounts. */
export const history = backstay.table(
  "history",
  {
    id: id("id").primaryKey(),
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    type: text("type").notNull(),
    /** Null where nothing was said; JSON's null is a value. */
    data: jsonb("data"),
    createdAt: moment("created_at").notNull(),
  },
  (t) => [
    index("history_account").on(t.accountId, t.createdAt, t.id),
    index("history_account_type").on(t.accountId, t.type, t.createdAt, t.id),
    index("history_created_at").on(t.createdAt),
    check("history_type_length", sql`length(${t.type}) <= 128`),
  ],
);
