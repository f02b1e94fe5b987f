import type postgres from "postgres";

/** Something in the tables that should never be, in words. */
export interface Complaint {
  readonly what: string;
  readonly rows: readonly object[];
}

/**
 * What the tables of the social graph must say of these accounts whatever was done to them, at once or one after the other: every
 * counter is what its rows are, for those who are blocked too, and nothing names an account that is gone.
 */
export async function auditTables(sql: postgres.Sql, ids: readonly string[]): Promise<Complaint[]> {
  const complaints: Complaint[] = [];
  for (const [what, find] of Object.entries(RULES)) {
    const rows = await find(sql, ids);
    if (rows.length > 0) complaints.push({ what, rows: [...rows] });
  }
  return complaints;
}

type Rule = (sql: postgres.Sql, ids: readonly string[]) => Promise<readonly object[]>;

const RULES: Readonly<Record<string, Rule>> = {
  "a counter is not what its rows are": (sql, ids) => sql`
    with counted as (
      select account_id, type || '0' as name, count(*) as value from backstay.connections
        where account_id = any(${ids}::uuid[]) group by 1, 2
      union all
      select peer_id, type || '1', count(*) from backstay.connections
        where peer_id = any(${ids}::uuid[]) and reference_id is not null group by 1, 2
      union all
      select recipient_id, 'msg_count', count(*) from backstay.messages where recipient_id = any(${ids}::uuid[]) group by 1
      union all
      select recipient_id, 'msg_read', count(*) from backstay.messages
        where recipient_id = any(${ids}::uuid[]) and read_at is not null group by 1
    ), kept as (
      select account_id, name, sum(value)::bigint as value from backstay.counters
      where account_id = any(${ids}::uuid[]) and (name ~ '[01]$' or name in ('msg_count', 'msg_read')) group by 1, 2
    )
    select account_id, name, kept.value as kept, counted.value as counted from counted full join kept using (account_id, name)
    where coalesce(kept.value, 0) <> coalesce(counted.value, 0)`,
  "a withheld count is not what its rows are": (sql, ids) => sql`
    with counted as (
      select peer_id as account_id, account_id as viewer_id, type || '1' as name, count(*) as value from backstay.connections
        where peer_id = any(${ids}::uuid[]) and reference_id is null group by 1, 2, 3
      union all
      select recipient_id, sender_id, 'msg_count', count(*) from backstay.withheld_messages
        where recipient_id = any(${ids}::uuid[]) group by 1, 2
    ), kept as (
      select account_id, viewer_id, name, value from backstay.withheld_counts
      where account_id = any(${ids}::uuid[]) and (name ~ '[01]$' or name in ('msg_count', 'msg_read'))
    )
    select account_id, viewer_id, name, kept.value as kept, counted.value as counted
    from counted full join kept using (account_id, viewer_id, name)
    where coalesce(kept.value, 0) <> coalesce(counted.value, 0)`,
  "a row names an account that is gone": (sql, ids) => sql`
    with named as (
      select 'connections' as place, account_id as id from backstay.connections
      union all select 'references', peer_id from backstay.connections
      union all select 'counters', account_id from backstay.counters
      union all select 'withheld_counts', unnest(array[account_id, viewer_id]) from backstay.withheld_counts
      union all select 'blocks', unnest(array[account_id, peer_id]) from backstay.blocks
      union all select 'messages', recipient_id from backstay.messages
      union all select 'withheld_messages', unnest(array[sender_id, recipient_id]) from backstay.withheld_messages
    )
    select place, id from named where id = any(${ids}::uuid[]) and id not in (select id from backstay.accounts)`,
  "two connections share an id": (sql, ids) => sql`
    select id, count(*) from (
      select id from backstay.connections where account_id = any(${ids}::uuid[])
      union all
      select reference_id from backstay.connections where account_id = any(${ids}::uuid[]) and reference_id <> id
    ) as drawn group by id having count(*) > 1`,
  "the last that a peer was told of a reference is not that it is there": (sql, ids) => sql`
    with told as (
      select topic, type, data, log_offset as place, 0 as of_outbox from backstay.events
        where topic = any(${ids.map((id) => `account/${id}`)})
      union all
      select unnest(topics), type, data, seq, 1 from backstay.outbox
    ), last as (
      select distinct on (topic, data ->> 'peerId', data ->> 'type')
        topic, data ->> 'peerId' as account_id, data ->> 'type' as type, told.type as event
      from told where told.type in ('connection.add', 'connection.del')
      order by topic, data ->> 'peerId', data ->> 'type', of_outbox desc, place desc
    )
    select connections.account_id, connections.type, peer_id, last.event from backstay.connections
    left join last on last.topic = 'account/' || replace(connections.peer_id::text, '-', '')
      and last.account_id = replace(connections.account_id::text, '-', '') and last.type = connections.type
    where connections.account_id = any(${ids}::uuid[]) and reference_id is not null
      and last.event is distinct from 'connection.add'`,
};
