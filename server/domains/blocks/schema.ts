import { index, primaryKey } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../../platform/db/index.js";
import { accounts } from "../accounts/schema.js";

/** Who wants nothing to do with whom. */
export const blocks = backstay.table(
  "blocks",
  {
    accountId: id("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    /** Who is blocked. */
    peerId: id("peer_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    createdAt: moment("created_at").notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.accountId, t.peerId] }),
    index("blocks_created_at").on(t.accountId, t.createdAt, t.peerId),
    index("blocks_peer").on(t.peerId),
  ],
);
