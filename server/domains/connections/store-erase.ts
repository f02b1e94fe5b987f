import { type SQL, sql } from "drizzle-orm";
import { type Parameters, statement } from "../../platform/db/index.js";
import { recordFrom } from "../../platform/events/index.js";
import { existingAccount } from "../accounts/index.js";
import { isBlocked } from "../blocks/index.js";
import { takeDerived } from "../counters/index.js";
import { connections } from "./schema.js";
import { deletedJson, topicOf } from "./store-event.js";

/** As many connections as are erased at a time of each kind: made, received, and withheld. */
export const BATCH = 1_000;

const LIMIT = sql.raw(String(BATCH));

/** A connection by its primary key. */
export interface ConnectionKey {
  accountId: string;
  type: string;
  peerId: string;
}

/** Several. Lists of the same length: one place in each is one of them. */
export interface ConnectionKeys {
  accountIds: string[];
  types: string[];
  peerIds: string[];
}

/** The first by an index of that order, which is what keeps the database from reading all there are for them. */
const first = (where: SQL, order: SQL) =>
  sql`(select account_id, type, peer_id from ${connections} where ${where} order by ${order} limit ${LIMIT})`;

/** Some of what an account has made and received, a batch of each kind at most; none when nothing is left. */
export const findSome = statement<{ accountId: string }, ConnectionKey>(
  (p) => sql`${first(sql`account_id = ${p.accountId}::uuid`, sql`account_id, type, peer_id`)}
    union all ${first(sql`peer_id = ${p.accountId}::uuid and reference_id is not null`, sql`peer_id, type, created_at, account_id`)}
    union all ${first(sql`peer_id = ${p.accountId}::uuid and reference_id is null`, sql`peer_id`)}`,
);

/** Each leads to its row by the primary key, also where the database knows nothing yet of how many rows there are. */
const named = (p: Parameters<ConnectionKeys>) => sql`(select account_id, type, peer_id
    from unnest(${p.accountIds}::uuid[], ${p.types}::text[], ${p.peerIds}::uuid[]) as named (account_id, type, peer_id)
    order by account_id, type, peer_id offset 0) one`;

const isThatOne = sql`c.account_id = one.account_id and c.type = one.type and c.peer_id = one.peer_id`;

/** Locks those that are there, in the order of the primary key. */
export const lockNamed = statement<ConnectionKeys, ConnectionKey>(
  (p) => sql`select held.account_id, held.type, held.peer_id
    from ${named(p)} cross join lateral (
      select c.account_id, c.type, c.peer_id from ${connections} c where ${isThatOne} offset 0 for update) held`,
);

/**
 * Erases those, which are locked, for an account that made or received each, and takes them off the counters of the others; its own
 * go with it. Who saw what it made is told, but for those who block it, or did when it went (`unheard`); nobody is for whom there is no
 * id of an event. Returns the other account of each.
 */
export const eraseLocked = statement<
  ConnectionKeys & { accountId: string; unheard: string[]; eventIds: string[]; at: Date },
  { otherId: string }
>((p) => {
  const told = recordFrom(
    sql`(select row_number() over (order by type, peer_id) as place, gone.* from gone
        where account_id = ${p.accountId}::uuid and reference_id is not null
          and exists (${existingAccount(sql`peer_id`)}) and not ${isBlocked(sql`peer_id`, sql`account_id`)}
          and peer_id <> all(${p.unheard}::uuid[])) seen
      join unnest(${p.eventIds}::uuid[]) with ordinality as event (event_id, place) using (place)`,
    {
      eventId: sql`event_id`,
      topics: sql`array[${topicOf(sql`peer_id`)}]`,
      eventType: sql`'connection.del'`,
      actorId: sql`account_id`,
      eventData: deletedJson,
      at: p.at,
    },
  );
  return sql`with gone as (
      delete from ${connections} c using ${named(p)} where ${isThatOne} returning c.*
    ), taken as (${takeDerived(sql`
      select peer_id as account_id, type || '1' as name, -1 as amount from gone
      where account_id = ${p.accountId}::uuid and reference_id is not null
      union all
      select account_id, type || '0', -1 from gone where peer_id = ${p.accountId}::uuid`)}),
    told as (${told})
    select case when account_id = ${p.accountId}::uuid then peer_id else account_id end as other_id from gone`;
});
