import { sql } from "drizzle-orm";
import { claimKey, statement } from "../../platform/db/index.js";
import { recordFrom } from "../../platform/events/index.js";
import { accounts } from "../accounts/index.js";
import { heardAt, isBlocked } from "../blocks/index.js";
import { moveDerived, moveWithheld } from "../counters/index.js";
import { connections } from "./schema.js";
import { topicOf } from "./store-event.js";
import { isConnected, moves, type Put, replacing, toldData, toldType, withheldMoves } from "./store-put.js";

/** Connections, none of them twice. Lists of the same length: one place in each is one of them. */
export interface NewConnections {
  accountIds: string[];
  types: string[];
  peerIds: string[];
  ids: string[];
  eventIds: string[];
  /** JSON of each. */
  properties: string[];
  times: string[];
  /** The idempotency key of each that has one, its scope, and the hash of its request as hex; null where it has none. */
  scopes: (string | null)[];
  keys: (string | null)[];
  requestHashes: (string | null)[];
}

const isThatOne = sql`c.account_id = asked.account_id and c.type = asked.type and c.peer_id = asked.peer_id`;

/**
 * Makes or replaces them, each as `putConnection` does, and answers what became of each by its id. It leaves out whom it would have to
 * wait for because his account, or the connection that is there, is being changed or deleted: the others are not to wait for him;
 * and whose key was used before.
 * Two who connect to each other in it are connected, both.
 */
export const putConnections = statement<NewConnections, Put & { id: string }>(
  (p) => sql`with free as (
      select id from ${accounts} where id = any(${p.accountIds}::uuid[]) for key share skip locked
    ), asked as (
      select g.*, peer.id as found, peer.id is not null and ${isBlocked(sql`g.peer_id`, sql`g.account_id`)} as hides
      from unnest(${p.accountIds}::uuid[], ${p.types}::text[], ${p.peerIds}::uuid[], ${p.ids}::uuid[], ${p.eventIds}::uuid[],
          ${p.properties}::text[], ${p.times}::text[], ${p.scopes}::text[], ${p.keys}::text[], ${p.requestHashes}::text[])
          as g (account_id, type, peer_id, id, event_id, properties, at, scope, key, request_hash)
        left join ${accounts} peer on peer.id = g.peer_id
      where g.account_id in (select id from free)
    ), ready as (
      select asked.* from asked
      where not exists (select 1 from ${connections} c where ${isThatOne})
        or exists (select 1 from ${connections} c where ${isThatOne} for no key update skip locked)
    ), claimed as (${claimKey(sql`ready where found is not null and key is not null`, {
      scope: sql`scope`,
      key: sql`key`,
      requestHash: sql`decode(request_hash, 'hex')`,
      resourceId: sql`id`,
      at: sql`at`,
    })}), given as (
      select ready.* from ready
      where found is null or key is null or id in (select resource_id from claimed)
    ), made as (
      insert into ${connections} as c
        (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
      select account_id, type, peer_id, id, case when not hides then id end, properties::jsonb, at::timestamptz, at::timestamptz
      from given where found is not null
      order by account_id, type, peer_id
      ${replacing}
      returning c.*
    ), put as (
      select made.*, event_id, at, hides, made.id = given.id as is_new, coalesce(made.reference_id = given.id, false) as is_shown,
        given.id as given_id
      from made join given using (account_id, type, peer_id)
    ), derived as (${moveDerived(moves)}), withheld as (${moveWithheld(withheldMoves)}),
    told as (${recordFrom(sql`put`, {
      eventId: sql`event_id`,
      topics: sql`array[${heardAt(topicOf(sql`peer_id`), sql`hides`, sql`account_id`)}]`,
      eventType: toldType,
      actorId: sql`account_id`,
      eventData: toldData,
      at: sql`at`,
    })})
    select given.id, given.found as peer, put.created_at, put.updated_at, put.is_new, put.is_shown,
      back.account_id is not null and not ${isBlocked(sql`given.account_id`, sql`given.peer_id`)}
        or ${isConnected(sql`given.account_id`, sql`given.type`, sql`given.peer_id`)} as connected
    from given left join put on put.given_id = given.id
      left join put back on back.account_id = given.peer_id and back.type = given.type and back.peer_id = given.account_id
        and back.reference_id is not null`,
);
