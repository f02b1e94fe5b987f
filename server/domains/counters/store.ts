import { type SQL, sql } from "drizzle-orm";
import { counters } from "./schema.js";

/** Counters that follow rows: whoever writes those rows raises them in the same statement. */
export type DerivedCounter = "msg_count" | "msg_read";

/**
 * A piece of a larger statement: adds `amount` (one, when it is not given) for the row of `from`, and nothing when there is
 * none. It holds the counter's lock from then on, and returns `account_id` and `stamp`: `now` (milliseconds), or one more
 * than the last stamp.
 */
export function increment(name: DerivedCounter, p: { from: SQL; accountId: SQL; now: SQL; amount?: SQL }): SQL {
  return sql`insert into ${counters} as counter (account_id, name, value, stamp)
    select ${p.accountId}, ${literal(name)}, ${p.amount ?? sql`1`}, ${p.now}::bigint from ${p.from}
    on conflict (account_id, name, slot) do update
      set value = counter.value + excluded.value, stamp = greatest(excluded.stamp, counter.stamp + 1)
    returning account_id, stamp`;
}

/**
 * A piece of a larger statement: takes `amount` off for the row of `from`, down to zero, and returns `account_id`. Like an
 * increment it inserts first: a plain update would not see the counter that someone makes while this statement waits.
 */
export function decrement(name: DerivedCounter, p: { from: SQL; accountId: SQL; amount: SQL }): SQL {
  return sql`insert into ${counters} as counter (account_id, name, value)
    select ${p.accountId}, ${literal(name)}, 0 from ${p.from}
    on conflict (account_id, name, slot) do update
      set value = greatest(0, counter.value - (select ${p.amount} from ${p.from}))
    returning account_id`;
}

function literal(name: DerivedCounter): SQL {
  return sql.raw(`'${name}'`);
}
