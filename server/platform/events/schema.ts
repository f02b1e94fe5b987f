import { sql } from "drizzle-orm";
import { bigint, bigserial, check, index, jsonb, primaryKey, smallint, text } from "drizzle-orm/pg-core";
import { backstay, id, moment } from "../db/columns.js";

/** Events that are committed and not yet in the log: written by the business transaction, emptied by the relay. */
export const outbox = backstay.table("outbox", {
  seq: bigserial("seq", { mode: "bigint" }).primaryKey(),
  id: id("id").notNull(),
  topics: text("topics").array().notNull(),
  type: text("type").notNull(),
  actorId: id("actor_id"),
  data: jsonb("data").notNull(),
  createdAt: moment("created_at").notNull(),
});

/** The event log: one row an event and topic, numbered in the order of commitment across all topics. */
export const events = backstay.table(
  "events",
  {
    logOffset: bigint("log_offset", { mode: "bigint" }).primaryKey(),
    topic: text("topic").notNull(),
    id: id("id").notNull(),
    type: text("type").notNull(),
    actorId: id("actor_id"),
    data: jsonb("data").notNull(),
    createdAt: moment("created_at").notNull(),
  },
  (t) => [index("events_topic_offset").on(t.topic, t.logOffset)],
);

/** How far each topic's oldest events are gone: a cursor before it has missed something. */
export const eventPrunes = backstay.table(
  "event_prunes",
  {
    topic: text("topic").notNull(),
    logOffset: bigint("log_offset", { mode: "bigint" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.topic] })],
);

/** The log's head, one row. Whoever numbers events holds its lock, so numbers become visible in their order. */
export const eventLog = backstay.table(
  "event_log",
  {
    only: smallint("only").primaryKey().default(1),
    /** Drawn when the log is made or restored: cursors of another epoch mean nothing here. */
    epoch: text("epoch").notNull().default(sql`substr(replace(gen_random_uuid()::text, '-', ''), 1, 16)`),
    lastOffset: bigint("last_offset", { mode: "bigint" }).notNull().default(sql`0`),
  },
  (t) => [check("event_log_only", sql`${t.only} = 1`)],
);
