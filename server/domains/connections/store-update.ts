import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { recordFrom } from "../../platform/events/index.js";
import { existingAccount } from "../accounts/index.js";
import { heardAt, isBlocked } from "../blocks/index.js";
import { connections } from "./schema.js";
import { connectionJson, topicOf } from "./store-event.js";
import type { ConnectionRow } from "./store-row.js";

export interface ConnectionUpdate {
  callerId: string;
  type: string;
  peerId: string;
  /** Keys of the properties with their values, and keys that go. */
  given: object;
  removed: string[];
  /** The new state when nothing else is given, and it is one that answers an invite. */
  answer: string | undefined;
  at: Date;
  /** Of the event to the peer, and of the one to the caller himself, who has answered. */
  peerEventId: string;
  ownEventId: string;
}

/** The most bytes that a view has: what the table takes. */
const MOST = sql.raw("16384");

/** The connection as the caller sees it now, unless it is not for him to change so; and whether anybody is told. */
export interface UpdatedConnection extends ConnectionRow {
  refused: boolean;
  /** Whether it is one that the caller has made. */
  own: boolean;
  told: boolean;
}

/**
 * Changes the properties of a connection that the caller has made; or, where he has made none, answers the invite of the peer as far
 * as he sees one. No row: there is neither.
 *
 * Owner and peer have each a view of it, which are one while they are the same. The change is made in each view that it reaches:
 * while the peer has blocked the caller, in the caller's own. So views that came apart stay so, and neither ever shows what was
 * withheld from it, until the owner puts the connection anew. The state that an owner says of an invite is the one that he sees; his
 * peer may see another, which stays. So does a view of the peer's that has no room for the change: to refuse it would tell the owner
 * that his peer sees more than he does himself.
 */
export const updateConnection = statement<ConnectionUpdate, UpdatedConnection>((p) => {
  const caller = sql`${p.callerId}::uuid`;
  const peer = sql`${p.peerId}::uuid`;
  // What an account of very many has left behind goes a little later.
  const isThere = sql`exists (${existingAccount(peer)})`;
  const columns = sql`c.account_id, c.type, c.peer_id, c.reference_id, c.properties, c.created_at, c.updated_at,
    c.peer_properties, c.peer_updated_at`;
  const edited = (view: SQL) => sql`((${view} || given) - ${p.removed}::text[])`;
  const written = { type: sql`type`, createdAt: sql`created_at` };
  const made = { ...written, properties: sql`made`, updatedAt: sql`made_at` };
  const seen = { ...written, properties: sql`seen`, updatedAt: sql`seen_at` };
  const told = recordFrom(sql`notices`, {
    eventId: sql`event_id`,
    topics: sql`array[topic]`,
    eventType: sql`'connection.update'`,
    actorId: caller,
    eventData: sql`data`,
    at: p.at,
  });
  return sql`with own as (
      select true as own, ${columns} from ${connections} c
      where c.account_id = ${caller} and c.type = ${p.type}::text and c.peer_id = ${peer} and ${isThere}
      for no key update
    ), invited as (
      select false as own, ${columns} from ${connections} c
      where c.account_id = ${peer} and c.type = ${p.type}::text and c.peer_id = ${caller}
        and c.type = 'invite' and c.reference_id is not null
        and not exists (select 1 from own) and not ${isBlocked(caller, peer)} and ${isThere}
      for no key update
    ), held as (
      select *, coalesce(peer_properties, properties) as seen, coalesce(peer_updated_at, updated_at) as seen_at,
        not ${isBlocked(peer, caller)} as open,
        case when own and type = 'invite' then ${p.given}::jsonb - 'state' else ${p.given}::jsonb end as given
      from (select * from own union all select * from invited) as either
    ), decided as (
      select *, case
          when own then type = 'invite'
            and ((properties || ${p.given}::jsonb) - ${p.removed}::text[]) -> 'state' is distinct from properties -> 'state'
          else ${p.answer}::text is null or seen -> 'state' is distinct from '"sent"'
        end as refused
      from held
    ), views as (
      select account_id, type, peer_id, own, open,
        case when own or open then ${edited(sql`properties`)} else properties end as made,
        case when own or open then greatest(updated_at, ${p.at}::timestamptz) else updated_at end as made_at,
        case when not own or (open and octet_length(${edited(sql`seen`)}::text) <= ${MOST}) then ${edited(sql`seen`)} else seen end
          as seen,
        case when not own or open then greatest(seen_at, ${p.at}::timestamptz) else seen_at end as seen_at,
        reference_id is not null as shown
      from decided where not refused
    ), changed as (
      update ${connections} c set
        properties = v.made,
        updated_at = v.made_at,
        peer_properties = case when v.shown and (v.made, v.made_at) <> (v.seen, v.seen_at) then v.seen end,
        peer_updated_at = case when v.shown and (v.made, v.made_at) <> (v.seen, v.seen_at) then v.seen_at end
      from views v
      where c.account_id = v.account_id and c.type = v.type and c.peer_id = v.peer_id
      returning v.own, v.open, v.shown, v.made, v.made_at, v.seen, v.seen_at, c.type, c.created_at
    ), notices as (
      select ${p.peerEventId}::uuid as event_id, ${heardAt(topicOf(peer), sql`not (shown and open)`, caller)} as topic,
        case when own then ${connectionJson({ ...seen, peerId: caller })} else ${connectionJson({ ...made, peerId: caller })} end
          as data
      from changed
      union all
      select ${p.ownEventId}::uuid, ${topicOf(caller)}, ${connectionJson({ ...seen, peerId: peer })}
      from changed where not own
    ), told as (${told})
    select d.refused, d.own, d.type, ${peer} as peer_id, d.created_at, case when d.own then c.made else c.seen end as properties,
      case when d.own then c.made_at else c.seen_at end as updated_at,
      exists (select 1 from notices) as told
    from decided d left join changed c on true`;
});
