import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { existingAccount } from "../accounts/index.js";
import { counters, withheldCounts } from "./schema.js";

/** A counter of an account, or with a viewer what is withheld of one; without a name, only that there is such an account. */
export interface CounterRow {
  name: string | null;
  value: bigint;
  viewerId: string | null;
}

/** A piece of a larger statement: one CounterRow without a name for each row of `from`. */
export function markerOf(from: SQL): SQL {
  return sql`select null::text as name, 0::bigint as value, null::uuid as viewer_id from ${from}`;
}

/** Everything that is counted of an account; no row when there is no such account. */
export const readCounters = statement<{ accountId: string }, CounterRow>(
  (p) => sql`with target as (${existingAccount(p.accountId)})
    ${markerOf(sql`target`)}
    union all
    select name, sum(value)::bigint, null from ${counters} where account_id = (select id from target) group by name
    union all
    select name, value, viewer_id from ${withheldCounts} where account_id = (select id from target)`,
);
