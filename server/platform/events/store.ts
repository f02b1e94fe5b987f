import { type SQL, sql } from "drizzle-orm";
import { PRUNE_BATCH } from "../db/batches.js";
import { statement } from "../db/statement.js";
import { eventLog, eventPrunes, events, outbox } from "./schema.js";

/** What a verb says happened. */
export interface NewEvent {
  eventId: string;
  topics: string[];
  eventType: string;
  actorId: string | undefined;
  /** Proto JSON of the resource, without bytes. */
  eventData: object;
  at: Date;
}

/** A piece of a larger statement: appends the event once for the row of `from`, and not at all when there is none. */
export function recordFrom(
  from: SQL,
  event: { eventId: SQL; topics: SQL; eventType: SQL; actorId: SQL; eventData: SQL; at: SQL },
): SQL {
  return sql`insert into ${outbox} (id, topics, type, actor_id, data, created_at)
    select ${event.eventId}::uuid, ${event.topics}::text[], ${event.eventType}::text, ${event.actorId}::uuid,
      ${event.eventData}::jsonb, ${event.at}::timestamptz
    from ${from}`;
}

/** Events of `topics` after an offset, oldest first. */
export const readEvents = statement<{ topics: string[]; after: number; limit: number }, EventRow>(
  (p) => sql`select log_offset, topic, id, type, actor_id, data::text as data, created_at from ${events}
    where topic = any(${p.topics}::text[]) and log_offset > ${p.after}::bigint
    order by log_offset limit ${p.limit}::int`,
);

/** Events of every topic between two offsets, for a node that did not relay them itself. */
export const readRange = statement<{ after: number; upTo: number; limit: number }, EventRow>(
  (p) => sql`select log_offset, topic, id, type, actor_id, data::text as data, created_at from ${events}
    where log_offset > ${p.after}::bigint and log_offset <= ${p.upTo}::bigint
    order by log_offset limit ${p.limit}::int`,
);

/** What an event is, without what it says. */
export type EventTitle = Pick<EventRow, "logOffset" | "topic" | "id" | "type">;

/** The titles of events of every topic between two offsets, oldest first. */
export const readTitles = statement<{ after: bigint; upTo: bigint; limit: number }, EventTitle>(
  (p) => sql`select log_offset, topic, id, type from ${events}
    where log_offset > ${p.after}::bigint and log_offset <= ${p.upTo}::bigint
    order by log_offset limit ${p.limit}::int`,
);

/** One event, by its place in the log and its id: after a restore another may stand there. */
export const readEvent = statement<{ id: string; logOffset: number }, EventRow>(
  (p) => sql`select log_offset, topic, id, type, actor_id, data::text as data, created_at from ${events}
    where log_offset = ${p.logOffset}::bigint and id = ${p.id}::uuid`,
);

/** A topic that has forgotten something after an offset, if there is one. */
export const findPruned = statement<{ after: bigint }, { topic: string }>(
  (p) => sql`select topic from ${eventPrunes} where log_offset > ${p.after}::bigint limit 1`,
);

/** The log's epoch and last offset, and since when the oldest event of the outbox waits for a relay, if one does. */
export const readHead = statement<object, { epoch: string; lastOffset: bigint; waitingMs: number | null }>(
  () => sql`select epoch, last_offset, (
      select greatest(0, extract(epoch from clock_timestamp() - created_at) * 1000)::float8
      from ${outbox} order by seq limit 1
    ) as waiting_ms from ${eventLog}`,
);

/** How far each of `topics` is gone, where that is beyond an offset. */
export const readPruned = statement<{ topics: string[]; after: number }, { topic: string; logOffset: bigint }>(
  (p) => sql`select topic, log_offset from ${eventPrunes}
    where topic = any(${p.topics}::text[]) and log_offset > ${p.after}::bigint`,
);

const LIMIT = sql.raw(String(PRUNE_BATCH));

const remember = sql`insert into ${eventPrunes} as known (topic, log_offset)
  select topic, max(log_offset) from gone group by topic
  on conflict (topic) do update set log_offset = greatest(known.log_offset, excluded.log_offset)`;

/** Forgets a batch of what is older than `before`, the oldest first, and remembers how far. */
export const pruneByAge = statement<{ before: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select log_offset from (select log_offset, created_at from ${events} order by log_offset limit ${LIMIT}) as first
      where created_at < ${p.before}::timestamptz
    ), gone as (
      delete from ${events} where log_offset in (select log_offset from old) returning topic, log_offset
    ), marked as (${remember})
    select count(*) as pruned from gone`,
);

/** Topics that were written to after an offset, up to another. */
export const findTopics = statement<{ after: number; upTo: number }, { topic: string }>(
  (p) => sql`select distinct topic from ${events}
    where log_offset > ${p.after}::bigint and log_offset <= ${p.upTo}::bigint`,
);

/** Forgets a batch of a topic's events beyond its newest `perTopic`, and remembers how far. */
export const pruneByCount = statement<{ topic: string; perTopic: number }, { pruned: bigint }>(
  (p) => sql`with surplus as (
      select log_offset from ${events} where topic = ${p.topic}::text
      order by log_offset desc offset ${p.perTopic}::int limit ${LIMIT}
    ), gone as (
      delete from ${events} where log_offset in (select log_offset from surplus) returning topic, log_offset
    ), marked as (${remember})
    select count(*) as pruned from gone`,
);

/** Erases a topic with everything it ever said. */
export const eraseTopic = statement<{ topic: string }, never>(
  (p) => sql`with unsent as (
      update ${outbox} set topics = array_remove(topics, ${p.topic}::text) where ${p.topic}::text = any(topics)
    )
    delete from ${events} where topic = ${p.topic}::text`,
);

export interface EventRow {
  logOffset: bigint;
  topic: string;
  id: string;
  type: string;
  actorId: string | null;
  data: string;
  createdAt: Date;
}

/** As many rows of the outbox as one batch moves. */
export const BATCH = 500;

const ADVISORY_LOCK = 7_305_001;

/**
 * Moves a batch from the outbox to the log. Two statements sent as one transaction: the second sees what the relay before
 * it committed only because its snapshot is taken after the lock.
 */
export const MOVE_BATCH = `select pg_advisory_xact_lock(${ADVISORY_LOCK});
with moved as (
  delete from backstay.outbox where seq in (select seq from backstay.outbox order by seq limit ${BATCH}) returning *
), spread as (
  select m.*, t.topic, row_number() over (order by m.seq, t.ord) as n
  from moved m cross join lateral unnest(m.topics) with ordinality as t (topic, ord)
), head as (
  update backstay.event_log set last_offset = last_offset + (select count(*) from spread)
  where exists (select 1 from spread)
  returning last_offset - (select count(*) from spread) as base
)
insert into backstay.events (log_offset, topic, id, type, actor_id, data, created_at)
select head.base + n, topic, id, type, actor_id, data, created_at from spread, head order by n
returning log_offset, topic, id, type, actor_id, data::text as data, created_at`;
