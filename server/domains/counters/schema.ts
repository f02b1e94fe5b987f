import { sql } from "drizzle-orm";
import { bigint, check, index, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { backstay, id } from "../../platform/db/index.js";
import { accounts } from "../accounts/schema.js";

/**
 * Counters by name. Those that accounts raise by the API, and those of messages, are the one row of slot 0; those of connections
 * are the sum of their slots, of which there are more where many connect at once.
 */
export const counters = backstay.table(
  "counters",
  {
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    name: text("name").notNull(),
    slot: smallint("slot").notNull().default(0),
    value: bigint("value", { mode: "bigint" }).notNull(),
    /** The last stamp given out under this counter's lock: milliseconds since 1970, each one used once. */
    stamp: bigint("stamp", { mode: "bigint" }).notNull().default(sql`0`),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.name, t.slot] }),
    check("counters_name", sql`${t.name} ~ '^[a-z][a-z0-9_]{0,63}$'`),
  ],
);

/** What somebody who is blocked did to counters: it is counted for him alone. */
export const withheldCounts = backstay.table(
  "withheld_counts",
  {
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    /**
     * Who did it. No foreign key, which would wait for his account at last, while the deletion of that waits for his counters; what
     * he did goes by the domain's erase hook.
     */
    viewerId: id("viewer_id").notNull(),
    name: text("name").notNull(),
    value: bigint("value", { mode: "bigint" }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.viewerId, t.name] }),
    index("withheld_counts_viewer").on(t.viewerId),
    check("withheld_counts_name", sql`${t.name} ~ '^[a-z][a-z0-9_]{0,63}$'`),
  ],
);
