import { type SQL, sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { signInTries } from "./schema.js";

const LIMIT = sql.raw(String(PRUNE_BATCH));

/**
 * Counts a try, unless the next one may not come yet: then `counted` is false. `waits` are seconds, from the first try on; the
 * last of them is for all that follow. A count whose last try was before `forgottenAt` begins anew.
 */
export const countTry = statement<
  { key: Buffer; at: Date; waits: string[]; forgottenAt: Date },
  { counted: boolean; lockedUntil: Date }
>(
  (p) => sql`with counted as (
      insert into ${signInTries} as t (key, tries, last_at, locked_until)
      values (${p.key}::bytea, 1, ${p.at}::timestamptz, ${lockedAfter(sql`1`, p)})
      on conflict (key) do update set
        tries = ${nextTry(p.forgottenAt)},
        last_at = ${p.at}::timestamptz,
        locked_until = ${lockedAfter(nextTry(p.forgottenAt), p)}
      where t.locked_until <= ${p.at}::timestamptz
      returning t.locked_until
    )
    select true as counted, locked_until from counted
    union all
    select false, locked_until from ${signInTries}
    where key = ${p.key}::bytea and not exists (select 1 from counted)`,
);

/** A try's number. A count may be as high as it likes: it stops where the waits do. */
function nextTry(forgottenAt: SQL): SQL {
  return sql`case when t.last_at < ${forgottenAt}::timestamptz then 1 else least(t.tries + 1, 1000000) end`;
}

/** When the try may come that follows on the one of this number. */
function lockedAfter(tries: SQL, p: { waits: SQL; at: SQL }): SQL {
  const waits = sql`${p.waits}::text[]`;
  const wait = sql`(${waits})[least(${tries}, cardinality(${waits}))]::float8`;
  return sql`${p.at}::timestamptz + make_interval(secs => ${wait})`;
}

/** Takes a try back; whoever waits for nothing but that one waits no more. */
export const uncountTry = statement<{ key: Buffer; at: Date; lockedUntil: Date }, never>(
  (p) => sql`update ${signInTries} set tries = greatest(tries - 1, 0),
      locked_until = case when locked_until = ${p.lockedUntil}::timestamptz then ${p.at}::timestamptz else locked_until end
    where key = ${p.key}::bytea`,
);

/** Forgets what was tried. */
export const forgetTries = statement<{ key: Buffer }, never>(
  (p) => sql`delete from ${signInTries} where key = ${p.key}::bytea`,
);

/** Forgets a batch of counts whose last try was before that. */
export const pruneTries = statement<{ forgottenAt: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select key from ${signInTries} where last_at < ${p.forgottenAt}::timestamptz
      order by last_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${signInTries} where key in (select key from old) returning 1)
    select count(*) as pruned from gone`,
);
