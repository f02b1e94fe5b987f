import { isNotNull } from "drizzle-orm";
import { index, primaryKey, text } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../../platform/db/index.js";

/** Nodes that hold streams and sockets: one that says nothing for a while is dead, and so is what it held. */
export const nodes = backstay.table("nodes", {
  id: id("id").primaryKey(),
  seenAt: moment("seen_at").notNull(),
});

/** Who is in a topic, and on which node. Worth nothing after a crash of the database, so the log is spared it. */
export const presences = backstay.table(
  "presences",
  {
    topic: text("topic").notNull(),
    accountId: id("account_id").notNull(),
    nodeId: id("node_id").notNull(),
    since: moment("since").notNull(),
    /** JSON as it was given, which nobody searches, and when that was. */
    data: text("data"),
    dataAt: moment("data_at"),
    /** When the last stream or socket on the node was closed: the row stays for the grace. */
    leftAt: moment("left_at"),
  },
  (t) => [
    primaryKey({ columns: [t.topic, t.accountId, t.nodeId] }),
    index("presences_node").on(t.nodeId),
    index("presences_account").on(t.accountId),
    index("presences_left").on(t.leftAt).where(isNotNull(t.leftAt)),
  ],
);
