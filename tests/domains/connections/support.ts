import { randomUUID } from "node:crypto";
import type postgres from "postgres";

/** A counter, or what is withheld from one, that is not what its rows are. */
export interface Difference {
  /** Which of the two; `left` is a connection of an account that is gone. */
  of: "counter" | "withheld" | "left";
  accountId: string;
  /** Who did it, of what is withheld. */
  viewerId: string | null;
  name: string;
  counted: number;
  rows: number;
}

/**
 * Compares every counter of connections with its rows: `<type>0` with those an account has made, `<type>1` with those it has
 * received and may see, and what is withheld with those it may not. Answers what differs; nothing is right.
 */
export function audit(sql: postgres.Sql): Promise<Difference[]> {
  return sql<Difference[]>`
    with rows as (
      select account_id, type || '0' as name, count(*)::int as rows from backstay.connections group by 1, 2
      union all
      select peer_id, type || '1', count(*)::int from backstay.connections where reference_id is not null group by 1, 2
    ), counted as (
      select account_id, name, sum(value)::int as counted from backstay.counters
      where name ~ '^[a-z][a-z0-9_]{0,31}[01]$' group by 1, 2
    ), hidden as (
      select peer_id as account_id, account_id as viewer_id, type || '1' as name, count(*)::int as rows
      from backstay.connections where reference_id is null group by 1, 2, 3
    ), withheld as (
      select account_id, viewer_id, name, value::int as counted from backstay.withheld_counts
      where name ~ '^[a-z][a-z0-9_]{0,31}1$'
    ), ends as (
      select account_id as id, type from backstay.connections union all select peer_id, type from backstay.connections
    )
    select 'counter' as of, replace(account_id::text, '-', '') as "accountId", null as "viewerId", name,
      coalesce(counted, 0) as counted, coalesce(rows, 0) as rows
    from rows full join counted using (account_id, name) where coalesce(counted, 0) <> coalesce(rows, 0)
    union all
    select 'withheld', replace(account_id::text, '-', ''), replace(viewer_id::text, '-', ''), name,
      coalesce(counted, 0), coalesce(rows, 0)
    from hidden full join withheld using (account_id, viewer_id, name) where coalesce(counted, 0) <> coalesce(rows, 0)
    union all
    select 'left', replace(id::text, '-', ''), null, type, 0, count(*)::int from ends
    where not exists (select from backstay.accounts where accounts.id = ends.id) group by id, type`;
}

/** The counters of an account, summed over their slots; those of 0 are left out. */
export async function countersOf(sql: postgres.Sql, accountId: string): Promise<Record<string, number>> {
  const rows = await sql`select name, sum(value)::int as value from backstay.counters
    where account_id = ${accountId} group by name having sum(value) <> 0`;
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/** Makes accounts without a way in, as fast as the database does; answers their ids. */
export async function makeAccounts(sql: postgres.Sql, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await sql`insert into backstay.accounts
      (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
    select id, 'Extra', 'Extra', '', '', '', '', '', '{}', now(), now() from unnest(${ids}::uuid[]) as id`;
  return ids.map((id) => id.replaceAll("-", ""));
}

/** Blocks, or lifts a block, as the database has it: for tests of what follows from it. */
export async function setBlock(sql: postgres.Sql, by: string, whom: string, isBlocked = true): Promise<void> {
  if (isBlocked)
    await sql`insert into backstay.blocks (account_id, peer_id, created_at) values (${by}, ${whom}, now())`;
  else await sql`delete from backstay.blocks where account_id = ${by} and peer_id = ${whom}`;
}

/** Makes connections of an account to each of some peers, of each type, with their counters, as fast as the database does. */
export async function makeConnections(
  sql: postgres.Sql,
  from: string,
  peers: string[],
  types: string[],
): Promise<void> {
  await connect(
    sql,
    peers.flatMap((peer) => types.map((type) => ({ from, to: peer, type }))),
  );
}

/** The same the other way round. */
export async function makeReferences(sql: postgres.Sql, to: string, others: string[], types: string[]): Promise<void> {
  await connect(
    sql,
    others.flatMap((from) => types.map((type) => ({ from, to, type }))),
  );
}

async function connect(sql: postgres.Sql, all: { from: string; to: string; type: string }[]): Promise<void> {
  const columns = [all.map(({ from }) => from), all.map(({ to }) => to), all.map(({ type }) => type)] as const;
  await sql`with made as (
      insert into backstay.connections (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
      select account_id, type, peer_id, gen_random_uuid(), gen_random_uuid(), '{}', now(), now()
      from unnest(${columns[0]}::uuid[], ${columns[1]}::uuid[], ${columns[2]}::text[]) as one (account_id, peer_id, type)
      returning account_id, type, peer_id
    )
    insert into backstay.counters (account_id, name, slot, value)
    select id, name, 0, count(*) from (
      select account_id as id, type || '0' as name from made union all select peer_id, type || '1' from made) as sides
    group by id, name
    on conflict (account_id, name, slot) do update set value = counters.value + excluded.value`;
}
