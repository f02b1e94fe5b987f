import { type SQL, sql } from "drizzle-orm";
import { counters } from "./schema.js";

/** Counters that follow rows: whoever writes those rows raises them in the same statement. */
export type DerivedCounter = "msg_count" | "msg_read";

/**
 * A piece of a larger statement: adds one for the row of `from`, and nothing when there is none. It holds the counter's
 * lock from then on, and returns `account_id` and `stamp`: `now` (milliseconds), or one more than the last stamp.
 */
export function increment(name: DerivedCounter, p: { from: SQL; accountId: SQL; now: SQL }): SQL {
  return sql`insert into ${counters} as counter (account_id, name, value, stamp)
    select ${p.accountId}, ${sql.raw(`'${name}'`)}, 1, ${p.now}::bigint from ${p.from}
    on conflict (account_id, name, slot) do update
      set value = counter.value + 1, stamp = greatest(excluded.stamp, counter.stamp + 1)
    returning account_id, stamp`;
}
