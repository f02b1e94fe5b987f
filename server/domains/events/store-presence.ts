import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { isBlocked } from "../blocks/index.js";
import { nodes, presences } from "./schema.js";

/** Milliseconds of silence after which a node is dead. */
const DEAD = sql.raw("10000");

/** Statements may wait for the lock: what counts is the time when they run, not when their transaction began. */
const NOW = sql.raw("statement_timestamp()");

const ADVISORY_LOCK = sql.raw("7305002");

/** The moment so many milliseconds ago. */
function ago(ms: SQL): SQL {
  return sql`(${NOW} - ${ms} * interval '1 millisecond')`;
}

/** The moment before which a dead node was seen last, whose people had their grace too. */
function lost(grace: SQL): SQL {
  return ago(sql`greatest(${DEAD}, ${grace}::float8)`);
}

/** Whether the account of a row `p`, on a node `n`, is there or in its grace. */
function isPresent(grace: SQL): SQL {
  return sql`case when p.left_at is null then n.seen_at > ${lost(grace)}
    else p.left_at > ${ago(sql`${grace}::float8`)} end`;
}

/** Makes the transactions that change or count presences come one after the other, over all nodes. */
export const lockPresences = statement<object, never>(() => sql`select pg_advisory_xact_lock(${ADVISORY_LOCK})`);

/** How a node stands: it lived on, it is new (or the table is), or it was silent so long that it is dead for good. */
export type Lease = "renewed" | "made" | "dead";

/** Says that a node lives; answers when, as precisely as the database has it. */
export const renewNode = statement<{ node: string }, { lease: Lease; now: string }>(
  (p) => sql`with renewed as (
      update ${nodes} set seen_at = ${NOW} where id = ${p.node}::uuid and seen_at > ${ago(DEAD)} returning id
    ), made as (
      insert into ${nodes} (id, seen_at) select ${p.node}::uuid, ${NOW}
      where not exists (select 1 from ${nodes} where id = ${p.node}::uuid)
      returning id
    )
    select case when exists (select 1 from renewed) then 'renewed'
      when exists (select 1 from made) then 'made' else 'dead' end as lease, ${NOW}::text as now`,
);

/**
 * Those who are on a node now, each pair of topic and account once; `told` is "t" or "f", `tried` when it was first tried to
 * write those who were not told.
 */
export interface Entering {
  node: string;
  topics: string[];
  accountIds: string[];
  data: (string | undefined)[];
  told: string[];
  tried: (string | undefined)[];
}

/** Somebody in a topic. */
export interface PlaceRow {
  topic: string;
  accountId: string;
  since: Date;
  data: string | null;
}

/**
 * Writes who is on a node; answers those who were nowhere before, and of whom nobody was told. What the node has written itself
 * since it first tried was not told: it did not hear that it was written.
 */
export const enterPresences = statement<Entering, PlaceRow>(
  (p) => sql`with given as (
      select * from unnest(${p.topics}::text[], ${p.accountIds}::uuid[], ${p.data}::text[], ${p.told}::text[]::boolean[],
        ${p.tried}::text[]::timestamptz[]) as g (topic, account_id, data, told, tried)
    ), known as (
      select topic, account_id, min(p.since) as since, ${newest(sql`p.data`)} as data, max(p.data_at) as data_at,
        bool_or(p.node_id <> ${p.node}::uuid or p.since < tried) as was_there
      from given join ${presences} p using (topic, account_id)
      group by topic, account_id
    ), entered as (
      insert into ${presences} as mine (topic, account_id, node_id, since, data, data_at)
      select g.topic, g.account_id, ${p.node}::uuid, coalesce(k.since, ${NOW}), coalesce(g.data, k.data),
        case when g.data is null then k.data_at else ${NOW} end
      from given g left join known k using (topic, account_id)
      on conflict (topic, account_id, node_id)
        do update set left_at = null, data = excluded.data, data_at = excluded.data_at
    )
    select g.topic, g.account_id, coalesce(k.since, ${NOW}) as since, g.data
    from given g left join known k using (topic, account_id)
    where not g.told and k.was_there is not true`,
);

/** Says that nothing of theirs is open on a node any more: their grace begins. */
export const leavePresences = statement<{ node: string; topics: string[]; accountIds: string[] }, never>(
  (p) => sql`update ${presences} p set left_at = ${NOW}
    from unnest(${p.topics}::text[], ${p.accountIds}::uuid[]) as g (topic, account_id)
    where p.topic = g.topic and p.account_id = g.account_id and p.node_id = ${p.node}::uuid and p.left_at is null`,
);

/** Says the same of all that a node holds, and forgets the node: its people have their grace to come back to another. */
export const leaveNode = statement<{ node: string }, never>(
  (p) => sql`with gone as (delete from ${nodes} where id = ${p.node}::uuid)
    update ${presences} set left_at = ${NOW} where node_id = ${p.node}::uuid and left_at is null`,
);

const isLeftOver = (grace: SQL): SQL => sql`p.left_at <= ${ago(sql`${grace}::float8`)}`;
const deadNodes = ({ grace, node }: { grace: SQL; node: SQL }): SQL => sql`${nodes} n
  join ${presences} p on p.node_id = n.id and p.left_at is null
  where n.seen_at <= ${lost(grace)} and n.id <> ${node}::uuid`;

/** Whether anybody's grace, or node, is past; `node`, who asks, lives. */
export const isSweepDue = statement<{ grace: number; node: string }, { isDue: boolean }>(
  (p) => sql`select exists (select 1 from ${presences} p where ${isLeftOver(p.grace)})
    or exists (select 1 from ${deadNodes(p)}) as is_due`,
);

/** Removes a batch of those whose grace or node is past; answers who is nowhere any more. */
export const sweepPresences = statement<{ grace: number; node: string; limit: number }, PlaceRow>(
  (p) => sql`with gone as (
      delete from ${presences} where (topic, account_id, node_id) in (
        (select p.topic, p.account_id, p.node_id from ${presences} p where ${isLeftOver(p.grace)} limit ${p.limit}::int)
        union all
        (select p.topic, p.account_id, p.node_id from ${deadNodes(p)} limit ${p.limit}::int)
      )
      returning topic, account_id, node_id, since
    )
    select topic, account_id, min(since) as since, null as data from gone
    where not exists (
      select 1 from ${presences} p
      where p.topic = gone.topic and p.account_id = gone.account_id
        and not exists (
          select 1 from gone g where g.topic = p.topic and g.account_id = p.account_id and g.node_id = p.node_id
        )
    )
    group by topic, account_id`,
);

/** Forgets nodes that died so long ago that none of them can believe to be alive. */
export const forgetNodes = statement<object, never>(
  () => sql`delete from ${nodes} n where n.seen_at < ${NOW} - interval '30 days'
    and not exists (select 1 from ${presences} p where p.node_id = n.id)`,
);

/** Removes an account from wherever it is; answers where that was. */
export const erasePresences = statement<{ accountId: string }, PlaceRow>(
  (p) => sql`with gone as (
      delete from ${presences} where account_id = ${p.accountId}::uuid returning topic, account_id, since
    )
    select topic, account_id, min(since) as since, null as data from gone group by topic, account_id`,
);

/** Who asks; undefined is no account, who has blocked nobody. */
interface Reader {
  readerId: string | undefined;
}

/** Who is in a topic, by account id, but whom the reader has blocked. */
export const listTopic = statement<
  Reader & { topic: string; after: string | undefined; grace: number; limit: number },
  Omit<PlaceRow, "topic">
>(
  (p) => sql`select p.account_id, min(p.since) as since, ${newest(sql`p.data`)} as data
    from ${presences} p left join ${nodes} n on n.id = p.node_id
    where p.topic = ${p.topic}::text and (${p.after}::uuid is null or p.account_id > ${p.after}::uuid)
      and ${isPresent(p.grace)} and not ${isBlocked(sql`${p.readerId}::uuid`, sql`p.account_id`)}
    group by p.account_id order by p.account_id limit ${p.limit}::int`,
);

/**
 * Who of some pairs of topic and account is there, by account id, but whom the reader has blocked; and but who has blocked him and is
 * nowhere else. A topic's list shows him who is in it: if this one did not, the two would tell him.
 */
export const findPlaces = statement<
  Reader & { topics: string[]; accountIds: string[]; grace: number },
  Omit<PlaceRow, "topic">
>((p) => {
  const readerId = sql`${p.readerId}::uuid`;
  const accountId = sql`asked.account_id`;
  const isElsewhere = sql`exists (
    select 1 from ${presences} p left join ${nodes} n on n.id = p.node_id
    where p.account_id = ${accountId} and p.topic <> asked.topic and ${isPresent(p.grace)})`;
  return sql`select p.account_id, min(p.since) as since, null as data
    from unnest(${p.topics}::text[], ${p.accountIds}::uuid[]) as asked (topic, account_id)
    join ${presences} p using (topic, account_id) left join ${nodes} n on n.id = p.node_id
    where ${isPresent(p.grace)} and not ${isBlocked(readerId, accountId)}
      and (not ${isBlocked(accountId, readerId)} or ${isElsewhere})
    group by p.account_id order by p.account_id`;
});

/** Of the rows of one account in a topic, what was said last. */
function newest(data: SQL): SQL {
  return sql`(array_agg(${data} order by p.data_at desc nulls last))[1]`;
}
