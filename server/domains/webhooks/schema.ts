import { bigint, text } from "drizzle-orm/pg-core";
import { backstay, moment } from "../../platform/db/index.js";

/** How far in the event log each webhook has its jobs. */
export const webhooks = backstay.table("webhooks", {
  /** Names the webhook over restarts. */
  id: text("id").primaryKey(),
  epoch: text("epoch").notNull(),
  logOffset: bigint("log_offset", { mode: "bigint" }).notNull(),
  /** When a node last said that it has it declared. */
  seenAt: moment("seen_at").notNull(),
});
