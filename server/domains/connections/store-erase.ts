import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { takeDerived } from "../counters/index.js";
import { connections } from "./schema.js";

/** As many connections as one statement erases of each kind: made, received, and withheld. */
export const BATCH = 1_000;

const LIMIT = sql.raw(String(BATCH));

const first = (where: SQL) => sql`(select account_id, type, peer_id from ${connections} where ${where} limit ${LIMIT})`;

/**
 * Erases a batch of what an account has made and received, and takes it off the counters of the others; its own go with it. The
 * rows are locked in the order of the primary key, and the counters after them. Returns the other account of each.
 */
export const eraseBatch = statement<{ accountId: string }, { otherId: string }>(
  (p) => sql`with picked as (
      select account_id, type, peer_id from ${connections} c
      where (account_id, type, peer_id) in (
        ${first(sql`account_id = ${p.accountId}::uuid`)}
        union all ${first(sql`peer_id = ${p.accountId}::uuid and reference_id is not null`)}
        union all ${first(sql`peer_id = ${p.accountId}::uuid and reference_id is null`)})
      order by account_id, type, peer_id for update
    ), gone as (
      delete from ${connections} c using picked
      where c.account_id = picked.account_id and c.type = picked.type and c.peer_id = picked.peer_id
      returning c.account_id, c.type, c.peer_id, c.reference_id
    ), taken as (${takeDerived(sql`
      select peer_id as account_id, type || '1' as name, -1 as amount from gone
      where account_id = ${p.accountId}::uuid and reference_id is not null
      union all
      select account_id, type || '0', -1 from gone where peer_id = ${p.accountId}::uuid`)})
    select case when account_id = ${p.accountId}::uuid then peer_id else account_id end as other_id from gone`,
);
