import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { counters, withheldCounts } from "./schema.js";

/**
 * A piece of a larger statement: moves derived counters like `moveDerived`, where they are there, for somebody who goes. It waits
 * for the first slot and makes none: nothing is inserted that would wait for the row of an account, whose owner may be going
 * just as well and wait for this one. It moves what is there when the statement begins: the rows that are counted are to be locked
 * before, as who writes such a row makes its counters by the same statement.
 */
export function takeDerived(from: SQL): SQL {
  return sql`update ${counters} counter set value = counter.value + moved.amount
    from (
      select held.account_id, held.name, moves.amount
      from (select account_id, name, sum(amount)::bigint as amount from (${from}) as move group by account_id, name) as moves
      join ${counters} held on held.account_id = moves.account_id and held.name = moves.name and held.slot = 0
      order by held.account_id, held.name for update of held
    ) moved
    where counter.account_id = moved.account_id and counter.name = moved.name and counter.slot = 0`;
}

/** Holds an account's counters, and what is counted of it for those it has blocked. */
export const holdCounters = statement<{ accountId: string }, { held: bigint }>(
  (p) => sql`with held as (
      select 1 from ${counters} where account_id = ${p.accountId}::uuid order by name, slot for update
    ), withheld as (
      select 1 from ${withheldCounts} where account_id = ${p.accountId}::uuid order by viewer_id, name for update
    )
    select (select count(*) from held) + (select count(*) from withheld) as held`,
);

/** Erases what an account did to counters of those who have blocked it. */
export const eraseWithheldBy = statement<{ accountId: string }, never>(
  (p) => sql`delete from ${withheldCounts} where viewer_id = ${p.accountId}::uuid`,
);
