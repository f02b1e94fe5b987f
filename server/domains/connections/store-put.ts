import { type SQL, sql } from "drizzle-orm";
import type { JsonObject } from "../../kernel/jobs.js";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts } from "../accounts/index.js";
import { heardAt, isBlocked } from "../blocks/index.js";
import { moveEach, moveWithheld } from "../counters/index.js";
import { connections } from "./schema.js";
import { connectionJson, topicOf } from "./store-event.js";
import type { ConnectionRow } from "./store-row.js";

/** A connection to make, with the ids it has and its event has if they are made. */
export interface NewConnection extends Pick<NewEvent, "eventId" | "at"> {
  id: string;
  accountId: string;
  type: string;
  peerId: string;
  properties: JsonObject;
}

/** The key of a put that may be repeated, and what it stands for then. */
export type Once = Omit<KeyInput, "at">;

/** What became of a put: no peer, or a peer and (unless it was to be made and there is one, or its key was used) the connection's times. */
export interface Put {
  peer: string | null;
  createdAt: Date | null;
  updatedAt: Date | null;
  /** Whether it was made, and whether the peer sees it since now. */
  isNew: boolean | null;
  isShown: boolean | null;
  /** Whether the peer has made such a connection that the owner may see. */
  connected: boolean;
}

/** The peer, if there is one, and whether what the owner does is hidden from him. */
const peerOf = (
  p: Parameters<NewConnection>,
) => sql`select id, ${isBlocked(sql`a.id`, sql`${p.accountId}::uuid`)} as hides
  from ${accounts} a where id = ${p.peerId}::uuid`;

/** The connection as it is where there is none, for the peer of `from`. */
const inserted = (p: Parameters<NewConnection>, from: SQL) => sql`insert into ${connections} as c
    (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
  select ${p.accountId}::uuid, ${p.type}::text, peer.id, ${p.id}::uuid, case when not hides then ${p.id}::uuid end,
    ${p.properties}::jsonb, ${p.at}::timestamptz, ${p.at}::timestamptz
  from ${from}`;

/** What the statement did to the row is told by its ids: each that is the new one was empty before. */
const outcome = (p: Parameters<NewConnection>) => sql`returning c.*, c.id = ${p.id}::uuid as is_new,
  coalesce(c.reference_id = ${p.id}::uuid, false) as is_shown`;

/** A condition: whether the peer has made such a connection that the account may see. */
export function isConnected(accountId: SQL, type: SQL, peerId: SQL): SQL {
  return sql`exists (
      select 1 from ${connections} other
      where other.account_id = ${peerId} and other.type = ${type} and other.peer_id = ${accountId}
        and other.reference_id is not null
    ) and not ${isBlocked(accountId, peerId)}`;
}

const isConnectedTo = (p: Parameters<Pick<NewConnection, "accountId" | "type" | "peerId">>) =>
  isConnected(sql`${p.accountId}::uuid`, sql`${p.type}::text`, sql`${p.peerId}::uuid`);

/** What a put does to the connection `c` that is there: while the peer blocks, he keeps what he saw. */
export const replacing = sql`on conflict (account_id, type, peer_id) do update set
    reference_id = coalesce(c.reference_id, excluded.reference_id),
    properties = excluded.properties,
    updated_at = greatest(c.updated_at, excluded.updated_at),
    peer_properties = case when excluded.reference_id is null and c.reference_id is not null
      then coalesce(c.peer_properties, c.properties) end,
    peer_updated_at = case when excluded.reference_id is null and c.reference_id is not null
      then coalesce(c.peer_updated_at, c.updated_at) end`;

/** What the peer is told, of a row of `put`. */
export const toldType = sql`case when is_new or is_shown then 'connection.add' else 'connection.update' end`;
export const toldData = connectionJson({
  peerId: sql`put.account_id`,
  type: sql`put.type`,
  properties: sql`put.properties`,
  createdAt: sql`put.created_at`,
  updatedAt: sql`put.updated_at`,
});

/** The counters that the rows of `put` move: made, and received; each is of another counter when there is one row. */
export const moves = sql`
  select account_id, type || '0' as name, 1 as amount from put where is_new
  union all
  select peer_id, type || '1', 1 from put where is_shown`;

/** What they count in secret. */
export const withheldMoves = sql`
  select peer_id as account_id, account_id as viewer_id, type || '1' as name, case when is_new then 1 else -1 end as amount
  from put where is_new <> is_shown`;

/**
 * What follows from the row of `put`:
 *
 * | the connection was     | the peer has blocked | he sees it | `<type>0` | `<type>1` | withheld | event  |
 * |------------------------|----------------------|------------|-----------|-----------|----------|--------|
 * | not there              | no                   | from now   | +1        | +1        |          | add    |
 * | not there              | yes                  | no         | +1        |           | +1       |        |
 * | there, and seen        | no                   | as it is   |           |           |          | update |
 * | there, and seen        | yes                  | as it was  |           |           |          |        |
 * | there, and withheld    | no                   | from now   |           | +1        | -1       | add    |
 * | there, and withheld    | yes                  | no         |           |           |          |        |
 */
function following(p: Parameters<NewConnection>): SQL {
  const told = recordFrom(sql`put, peer`, {
    eventId: p.eventId,
    topics: sql`array[${heardAt(topicOf(sql`put.peer_id`), sql`peer.hides`, p.accountId)}]`,
    eventType: toldType,
    actorId: p.accountId,
    eventData: toldData,
    at: p.at,
  });
  return sql`derived as (${moveEach(moves)}), withheld as (${moveWithheld(withheldMoves)}), told as (${told})
    select peer.id as peer, put.created_at, put.updated_at, put.is_new, put.is_shown,
      ${isConnectedTo(p)} as connected
    from (select 1) as once left join peer on true left join put on true`;
}

/** Makes a connection, or replaces the properties of the one that is there. */
export const putConnection = statement<NewConnection, Put>(
  (p) =>
    sql`with peer as (${peerOf(p)}), put as (${inserted(p, sql`peer`)} ${replacing} ${outcome(p)}), ${following(p)}`,
);

/** The same unless the key was used before: then it writes nothing. */
export const putConnectionOnce = statement<NewConnection & Once, Put>(
  (p) => sql`with peer as (${peerOf(p)}), claimed as (${claimKey(sql`peer`, p)}), put as (
      ${inserted(p, sql`peer, claimed`)} ${replacing} ${outcome(p)}
    ), ${following(p)}`,
);

/** Makes a connection where there is none. */
export const createConnection = statement<NewConnection, Put>(
  (p) => sql`with peer as (${peerOf(p)}), put as (
      ${inserted(p, sql`peer`)} on conflict (account_id, type, peer_id) do nothing ${outcome(p)}
    ), ${following(p)}`,
);

/**
 * The same unless the key was used before: then it writes nothing. Breaks the primary key when somebody makes the connection in the
 * same moment, so that the key stays free.
 */
export const createConnectionOnce = statement<NewConnection & Once, Put>((p) => {
  const free = sql`peer where not exists (
    select 1 from ${connections}
    where account_id = ${p.accountId}::uuid and type = ${p.type}::text and peer_id = ${p.peerId}::uuid)`;
  return sql`with peer as (${peerOf(p)}), claimed as (${claimKey(free, p)}), put as (
      ${inserted(p, sql`peer, claimed`)} ${outcome(p)}
    ), ${following(p)}`;
});

/** The connection of a put that is repeated, as its owner sees it, if it is still there, and the id it was made with. */
export const findPut = statement<
  Pick<NewConnection, "accountId" | "type" | "peerId">,
  ConnectionRow & { id: string; connected: boolean }
>(
  (p) => sql`select id, peer_id, type, properties, created_at, updated_at, ${isConnectedTo(p)} as connected
    from ${connections}
    where account_id = ${p.accountId}::uuid and type = ${p.type}::text and peer_id = ${p.peerId}::uuid`,
);
