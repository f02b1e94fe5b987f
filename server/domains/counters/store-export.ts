import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { counters } from "./schema.js";

/** An account's counters by name, after one of them. */
export const listCounters = statement<
  { accountId: string; after: string; limit: number },
  { name: string; value: bigint }
>(
  (p) => sql`select name, sum(value)::bigint as value from ${counters}
    where account_id = ${p.accountId}::uuid and name > ${p.after}::text
    group by name order by name limit ${p.limit}::int`,
);
