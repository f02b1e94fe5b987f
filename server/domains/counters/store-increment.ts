import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts, existingAccount } from "../accounts/index.js";
import { heardAt, isBlocked } from "../blocks/index.js";
import { counters, withheldCounts } from "./schema.js";

/** Counters of an account, and what to add to each. */
export interface Raise {
  accountId: string;
  names: string[];
  /** Whole numbers as text. */
  amounts: string[];
}

/** The same by somebody else, with the event that tells of it. */
export interface RaiseOthers extends Raise, NewEvent {
  /** Who does it, when a block withholds it. */
  blockableId: string | undefined;
}

/**
 * A counter that was raised, as whoever raised it sees it. Without a name nothing was done: there is no such account, or the key
 * was used before.
 */
export interface Raised {
  account: string | null;
  name: string | null;
  value: bigint | null;
}

const MOST = sql.raw(String(Number.MAX_SAFE_INTEGER));

/** `value` where a counter can hold `sum`, else null, which no column takes: then nothing of the statement is done. */
function within(sum: SQL, value: SQL): SQL {
  return sql`case when ${sum} between -${MOST} and ${MOST} then ${value} end`;
}

function target(p: Parameters<Raise>): SQL {
  return sql`target as (${existingAccount(p.accountId)}), given as (
      select name, amount::bigint as amount from unnest(${p.names}::text[], ${p.amounts}::text[]) as one (name, amount)
    )`;
}

function claimed(p: Parameters<Raise & KeyInput>): SQL {
  return sql`claimed as (${claimKey(sql`target`, p)})`;
}

/** Raises counters for the row of `from`; their locks are taken in the order of their names. */
function raised(from: SQL, p: Parameters<Raise>): SQL {
  const sum = sql`counter.value + excluded.value`;
  return sql`raised as (
      insert into ${counters} as counter (account_id, name, value)
      select ${p.accountId}::uuid, name, amount from ${from} cross join given order by name
      on conflict (account_id, name, slot) do update set value = ${within(sum, sum)}
      returning name, value
    )`;
}

/** What became of it; `done` are the counters that were raised. */
function answer(done: SQL): SQL {
  return sql`select target.id as account, done.name, done.value
    from (select 1) as once left join target on true left join (${done}) as done on true`;
}

function own(from: SQL, p: Parameters<Raise>): SQL {
  return sql`${raised(from, p)} ${answer(sql`select name, value from raised`)}`;
}

/** Raises counters of one's own. */
export const raiseOwn = statement<Raise, Raised>((p) => sql`with ${target(p)}, ${own(sql`target`, p)}`);

/** The same unless the key was used before: then it writes nothing. */
export const raiseOwnOnce = statement<Raise & KeyInput, Raised>(
  (p) => sql`with ${target(p)}, ${claimed(p)}, ${own(sql`claimed`, p)}`,
);

/** Raises counters and tells of it; who is blocked has it counted for himself alone, and nobody hears of it. */
function others(from: SQL, p: Parameters<RaiseOthers>): SQL {
  const accountId = sql`${p.accountId}::uuid`;
  const viewerId = sql`${p.actorId}::uuid`;
  const isWithheld = isBlocked(accountId, sql`${p.blockableId}::uuid`);
  const known = sql`coalesce((select sum(value) from ${counters} known
    where known.account_id = ${accountId} and known.name = one.name), 0)::bigint`;
  const ownPart = sql`coalesce((select value from ${withheldCounts} part
    where part.account_id = ${accountId} and part.viewer_id = ${viewerId} and part.name = one.name), 0)`;
  const eventData = sql`(${p.eventData}::jsonb
    || jsonb_build_object('counters', (select coalesce(jsonb_object_agg(name, value::text), '{}') from raised)))`;
  const { eventId, eventType, actorId, at } = p;
  const topics = sql`array[${heardAt(sql`(${p.topics}::text[])[1]`, isWithheld, viewerId)}]`;
  const event = { eventId, topics, eventType, actorId, at, eventData };
  const somethingMoved = sql`(select from (select name from raised union all select name from kept) as done join given using (name)
    where amount <> 0 limit 1) as moved`;
  return sql`free as (select from ${from} where not ${isWithheld}),
    blocked as (
      -- Who is going is waited for: nothing else of this meets the deletion of his account.
      select from ${from}, lateral (select from ${accounts} there where there.id = ${viewerId} for key share) as known
      where ${isWithheld}
    ),
    ${raised(sql`free`, p)},
    kept as (
      insert into ${withheldCounts} as withheld (account_id, viewer_id, name, value)
      select ${accountId}, ${viewerId}, name, ${within(sql`${known} + ${ownPart} + amount`, sql`amount`)}
      from blocked cross join given one order by name
      on conflict (account_id, viewer_id, name) do update set value = withheld.value + excluded.value
      returning name, value
    ), told as (${recordFrom(somethingMoved, event)})
    ${answer(sql`select name, value + ${ownPart} as value from raised one
      union all select name, value + ${known} from kept one`)}`;
}

/** Raises counters of another account. */
export const raiseOthers = statement<RaiseOthers, Raised>((p) => sql`with ${target(p)}, ${others(sql`target`, p)}`);

/** The same unless the key was used before: then it writes nothing. */
export const raiseOthersOnce = statement<RaiseOthers & KeyInput, Raised>(
  (p) => sql`with ${target(p)}, ${claimed(p)}, ${others(sql`claimed`, p)}`,
);
