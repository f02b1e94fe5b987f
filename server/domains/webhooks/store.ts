import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { webhooks } from "./schema.js";

/** Makes webhooks known that are not yet, from a place in the log on, and says of all of them that they are there. */
export const ensureCursors = statement<{ ids: string[]; epoch: string; logOffset: bigint }, never>(
  (p) => sql`insert into ${webhooks} (id, epoch, log_offset, seen_at)
    select id, ${p.epoch}::text, ${p.logOffset}::bigint, statement_timestamp() from unnest(${p.ids}::text[]) as id
    order by id
    on conflict (id) do update set seen_at = excluded.seen_at`,
);

/** How far a webhook has its jobs, locked; nothing when another node has it locked. */
export const lockCursor = statement<{ id: string }, { epoch: string; logOffset: bigint }>(
  (p) => sql`select epoch, log_offset from ${webhooks} where id = ${p.id}::text for update skip locked`,
);

/** Writes how far a webhook has its jobs. */
export const moveCursor = statement<{ id: string; epoch: string; logOffset: bigint }, never>(
  (p) => sql`update ${webhooks} set epoch = ${p.epoch}::text, log_offset = ${p.logOffset}::bigint
    where id = ${p.id}::text`,
);

/** Forgets webhooks that no node has had declared for a month. */
export const forgetUnseen = statement<object, never>(
  () => sql`delete from ${webhooks} where seen_at < statement_timestamp() - interval '30 days'`,
);
