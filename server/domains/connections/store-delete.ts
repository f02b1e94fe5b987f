import { type SQL, sql } from "drizzle-orm";
import { type Parameters, type Statement, statement } from "../../platform/db/index.js";
import { recordFrom } from "../../platform/events/index.js";
import { existingAccount } from "../accounts/index.js";
import { heardAt, isBlocked } from "../blocks/index.js";
import { moveDerived, moveWithheld } from "../counters/index.js";
import { connections } from "./schema.js";
import { deletedJson, topicOf } from "./store-event.js";

/** As many connections as one statement deletes. */
export const BATCH = 500;

/** Which of an account's connections: those to a peer, of a type, of both, or all. */
export interface Which {
  accountId: string;
  peerId: string | undefined;
  type: string | undefined;
}

/** What the peers are told. */
export interface Telling {
  /** An id for the event of each connection that goes. */
  eventIds: string[];
  at: Date;
}

/** Which of an account's connections are asked for: each makes statements of its own, which find them by the primary key. */
type Asked = (p: Parameters<Which>) => SQL;

const toPeer: Asked = (p) => sql`peer_id = ${p.peerId}::uuid`;
const ofType: Asked = (p) => sql`type = ${p.type}::text`;
const ASKED: Readonly<Record<string, Asked>> = {
  all: () => sql`true`,
  toPeer,
  ofType,
  one: (p) => sql`${toPeer(p)} and ${ofType(p)}`,
};

function askedOf({ peerId, type }: Which): string {
  if (peerId === undefined) return type === undefined ? "all" : "ofType";
  return type === undefined ? "toPeer" : "one";
}

/** One statement for each way to ask. */
function byAsked<Input extends Which, Row>(build: (p: Parameters<Input>, asked: SQL) => SQL): Statement<Input, Row> {
  const statements = Object.entries(ASKED).map(
    ([name, asked]) => [name, statement<Input, Row>((p) => build(p, asked(p)))] as const,
  );
  const byName = new Map(statements);
  return (ctx, input) => byName.get(askedOf(input))!(ctx, input);
}

const picked = (p: Parameters<Which>, asked: SQL) => sql`select account_id, type, peer_id from ${connections}
  where account_id = ${p.accountId}::uuid and ${asked} order by account_id, type, peer_id`;

/**
 * Deletes the connections of `from`, which are locked, and what goes with them: counters, and one event for each peer, who
 * hears it if he has seen it and listens. A peer whose account is gone has no counters, and no ears.
 */
function deletion(from: SQL, p: Parameters<Telling>): SQL {
  const derived = moveDerived(sql`
    select account_id, type || '0' as name, -1 as amount from gone
    union all
    select peer_id, type || '1', -1 from gone where is_there and reference_id is not null`);
  const withheld = moveWithheld(sql`
    select peer_id as account_id, account_id as viewer_id, type || '1' as name, -1 as amount
    from gone where is_there and reference_id is null`);
  const told = recordFrom(
    sql`(select row_number() over (order by type, peer_id) as place, gone.* from gone
        where is_there) known
      join unnest(${p.eventIds}::uuid[]) with ordinality as event (event_id, place) using (place)`,
    {
      eventId: sql`event_id`,
      topics: sql`array[${heardAt(
        topicOf(sql`peer_id`),
        sql`reference_id is null or ${isBlocked(sql`known.peer_id`, sql`known.account_id`)}`,
        sql`account_id`,
      )}]`,
      eventType: sql`'connection.del'`,
      actorId: sql`account_id`,
      eventData: deletedJson,
      at: p.at,
    },
  );
  return sql`gone as (
      delete from ${connections} c using ${from}
      where c.account_id = one.account_id and c.type = one.type and c.peer_id = one.peer_id
      returning c.*, exists (${existingAccount(sql`c.peer_id`)}) as is_there
    ), derived as (${derived}), withheld as (${withheld}), told as (${told})`;
}

const LIMIT = sql.raw(String(BATCH));

/**
 * Deletes them when they are no more than a batch; of more it deletes none. Answers how many were found, with each that is gone,
 * or null.
 */
export const deleteFew = byAsked<Which & Telling, { found: bigint; peerId: string | null }>(
  (p, asked) => sql`with picked as (${picked(p, asked)} limit ${LIMIT} + 1 for update),
    ${deletion(sql`(select * from picked where (select count(*) from picked) <= ${LIMIT}) one`, p)}
    select found, gone.peer_id from (select count(*) as found from picked) as total left join gone on true`,
);

/** Locks them all, in the order of the primary key. */
export const lockAll = byAsked<Which, { type: string; peerId: string }>(
  (p, asked) => sql`${picked(p, asked)} for update`,
);

/** Deletes some that are locked, named by type and peer. */
export const deleteLocked = statement<
  { accountId: string; types: string[]; peerIds: string[] } & Telling,
  { peerId: string }
>((p) => {
  // With an offset it is what leads to the rows, one by one: the account alone would lead to all of them for each batch.
  const named = sql`(select ${p.accountId}::uuid as account_id, type, peer_id
    from unnest(${p.types}::text[], ${p.peerIds}::uuid[]) as named (type, peer_id) offset 0) one`;
  return sql`with ${deletion(named, p)} select peer_id from gone`;
});
