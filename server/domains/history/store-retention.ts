import { sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { history } from "./schema.js";

const LIMIT = sql.raw(String(PRUNE_BATCH));

// An account that is being deleted has its entries locked: they go anyway, and nobody waits for another.

/** Forgets a batch of entries that are older than `before`, the oldest first. */
export const pruneByAge = statement<{ before: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select id from ${history} where created_at < ${p.before}::timestamptz
      order by created_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${history} where id in (select id from old) returning 1)
    select count(*) as pruned from gone`,
);

/** Forgets a batch of an account's entries beyond its newest `most`. */
export const pruneByCount = statement<{ accountId: string; most: number }, { pruned: bigint }>(
  (p) => sql`with surplus as (
      select id from ${history} where account_id = ${p.accountId}::uuid
      order by created_at desc, id desc offset ${p.most}::int limit ${LIMIT}
    ), free as (
      select id from ${history} where id in (select id from surplus) for update skip locked
    ), gone as (delete from ${history} where id in (select id from free) returning 1)
    select count(*) as pruned from gone`,
);

/**
 * Some accounts that have entries, after one of them, by id. It steps over the entries of each, so that it reads as many places
 * of the index as it answers accounts.
 */
export const walkAccounts = statement<{ after: string; limit: number }, { accountId: string }>(
  (p) => sql`with recursive walk (account_id, n) as (
      select ${p.after}::uuid, 0
      union all
      select (
        select h.account_id from ${history} h where h.account_id > walk.account_id
        order by h.account_id limit 1
      ), n + 1 from walk
      where n < ${p.limit}::int and walk.account_id is not null
    )
    select account_id from walk where n > 0 and account_id is not null order by account_id`,
);

/** Accounts that have entries of a time, up to another if there is one. */
export const findWriters = statement<{ from: Date; to: Date | undefined }, { accountId: string }>(
  (p) => sql`select distinct account_id from ${history}
    where created_at >= ${p.from}::timestamptz and created_at < coalesce(${p.to}::timestamptz, 'infinity')`,
);

/** Those of some accounts that have more than `most` entries. */
export const findSurplus = statement<{ accountIds: string[]; most: number }, { accountId: string }>(
  (p) => sql`select account_id from unnest(${p.accountIds}::uuid[]) as asked (account_id)
    where exists (
      select 1 from ${history} h where h.account_id = asked.account_id
      order by h.created_at desc, h.id desc offset ${p.most}::int limit 1
    )`,
);
