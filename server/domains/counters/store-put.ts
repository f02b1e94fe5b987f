import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { existingAccount } from "../accounts/index.js";
import { counters, withheldCounts } from "./schema.js";
import { type CounterRow, markerOf } from "./store-read.js";

export interface CounterPut {
  accountId: string;
  /** Those that are given, and their values as text. */
  names: string[];
  values: string[];
  /** All that may be given. */
  free: string[];
}

/**
 * Gives counters their values and makes the others that might have been given 0, locking them all in the order of their names; what
 * was withheld of them is replaced too. Those that nobody declares now keep what they have. Returns all of the account's counters; no
 * row when there is no such account.
 */
export const putCounters = statement<CounterPut, CounterRow>((p) => {
  const isFree = sql`name = any(${p.free}::text[])`;
  return sql`with target as (${existingAccount(p.accountId)}),
    given as (
      select name, value::bigint as value from unnest(${p.names}::text[], ${p.values}::text[]) as one (name, value)
    ), wanted as (
      select name, value from given
      union all
      select name, 0 from ${counters} where account_id = (select id from target) and ${isFree}
        and name not in (select name from given)
    ), put as (
      insert into ${counters} as counter (account_id, name, value)
      select target.id, name, value from target cross join wanted order by name
      on conflict (account_id, name, slot) do update set value = excluded.value
      returning name, value
    ), replaced as (
      delete from ${withheldCounts} where account_id = (select id from target) and ${isFree}
    )
    ${markerOf(sql`target`)}
    union all
    select name, value, null from put
    union all
    select name, sum(value)::bigint, null from ${counters}
    where account_id = (select id from target) and not ${isFree} group by name`;
});
