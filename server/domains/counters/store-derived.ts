import { type SQL, sql } from "drizzle-orm";
import { counters, withheldCounts } from "./schema.js";
import type { DerivedCounter } from "./store.js";

/** Slots besides the first, which are used only while that is taken: one for each connection to the database, more or less. */
const SLOTS = sql.raw("64");

/**
 * A piece of a larger statement: moves derived counters by the rows of `from`, which have `account_id`, `name` and `amount`.
 *
 * A counter's first slot takes what finds it free. Who would have to wait for it, as when thousands like one account at once, uses
 * the slot of his database connection, so that hardly anybody waits for anybody; the counter is the sum of its slots.
 */
export function moveDerived(from: SQL): SQL {
  return moveEach(sql`select account_id, name, sum(amount)::bigint as amount from (${from}) as moves
    group by account_id, name having sum(amount) <> 0`);
}

/** The same where no two rows are of one counter, and none is of nothing: then nothing has to be added up first. */
export function moveEach(from: SQL): SQL {
  return sql`insert into ${counters} as counter (account_id, name, slot, value)
    select account_id, name, coalesce(
        (select free.slot from ${counters} free
          where free.account_id = moved.account_id and free.name = moved.name and free.slot = 0
          for update skip locked),
        case when exists (select 1 from ${counters} known
            where known.account_id = moved.account_id and known.name = moved.name and known.slot = 0)
          then 1 + pg_backend_pid() % ${SLOTS} else 0 end
      )::smallint, amount
    from (${from}) as moved
    order by account_id, name
    on conflict (account_id, name, slot) do update set value = counter.value + excluded.value
    returning account_id`;
}

/**
 * A piece of a larger statement: counts, for `viewer_id` alone, what he did to counters of somebody who has blocked him. The rows
 * of `from` have `account_id`, `viewer_id`, `name` and `amount`.
 */
export function moveWithheld(from: SQL): SQL {
  return sql`insert into ${withheldCounts} as withheld (account_id, viewer_id, name, value)
    select account_id, viewer_id, name, sum(amount)::bigint from (${from}) as moves
    group by account_id, viewer_id, name having sum(amount) <> 0
    order by account_id, viewer_id, name
    on conflict (account_id, viewer_id, name) do update set value = withheld.value + excluded.value
    returning account_id`;
}

/** A piece of a larger statement: the same of one counter, by one, for the row of `from`, which has `account_id` and `viewer_id`. */
export function incrementWithheld(name: DerivedCounter, from: SQL): SQL {
  return sql`insert into ${withheldCounts} as withheld (account_id, viewer_id, name, value)
    select account_id, viewer_id, ${sql.raw(`'${name}'`)}, 1 from ${from}
    on conflict (account_id, viewer_id, name) do update set value = withheld.value + excluded.value
    returning account_id`;
}
