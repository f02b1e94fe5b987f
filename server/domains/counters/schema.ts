import { sql } from "drizzle-orm";
import { bigint, check, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { backstay, id } from "../../platform/db/index.js";
import { accounts } from "../accounts/schema.js";

/** Counters by name, one row each; more slots of one name spread a hot counter over several rows. */
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
