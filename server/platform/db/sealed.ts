import { type Column, getTableName, type SQL, sql, type Table } from "drizzle-orm";
import type { SealUse } from "../../kernel/instance-key.js";
import { type Statement, statement } from "./statement.js";

/** As many rows as one transaction seals anew. */
const BATCH = sql.raw("500");

/** A sealed value, and whose it is. */
export interface SealedRow {
  id: string;
  boundTo: string;
  sealed: Buffer;
}

/** A column of what is sealed under the instance key. `prefix` is the current key's, as `InstanceKey` has it. */
export interface SealedColumn {
  /** Such as `identities.secret_sealed`. */
  readonly name: string;
  readonly use: SealUse;
  /** A batch of rows under another key, in the order of their ids, from after one on. */
  readonly read: Statement<{ prefix: Buffer; after: string }, SealedRow>;
  /** The same, held for the transaction; what somebody else holds is left out. */
  readonly hold: Statement<{ prefix: Buffer; after: string }, SealedRow>;
  /** Puts others in their place, both as hex; a row whose value is not `before` any more stays as it is. */
  readonly replace: Statement<{ rows: { id: string; before: string; after: string }[] }, { id: string }>;
  /** How many rows are under another key. */
  readonly count: Statement<{ prefix: Buffer }, { count: bigint }>;
  /** A condition in a larger statement: no row is under another key, but for those of some ids. */
  readonly isThrough: (prefix: SQL, ids: SQL) => SQL;
}

/** The statements of a column of sealed values; `boundTo` is the column that names whose each is. */
export function sealedColumn(at: {
  table: Table;
  id: Column;
  boundTo: Column;
  column: Column;
  use: SealUse;
}): SealedColumn {
  const { table } = at;
  const [id, boundTo, column] = [at.id, at.boundTo, at.column].map(({ name }) => sql.identifier(name));
  const isLeft = (prefix: SQL) => sql`${column} is not null and substr(${column}, 1, 5) <> ${prefix}::bytea`;
  const batch = (p: { prefix: SQL; after: SQL }) => sql`select ${id} as id, ${boundTo} as bound_to, ${column} as sealed
    from ${table} where ${isLeft(p.prefix)} and ${id} > ${p.after}::uuid order by ${id} limit ${BATCH}`;
  return {
    name: `${getTableName(table)}.${at.column.name}`,
    use: at.use,
    read: statement(batch),
    hold: statement((p) => sql`${batch(p)} for update skip locked`),
    replace: statement(
      (p) => sql`update ${table} as t set ${column} = decode(r.after, 'hex')
        from jsonb_to_recordset(${p.rows}::jsonb) as r (id uuid, before text, after text)
        where t.${id} = r.id and t.${column} = decode(r.before, 'hex')
        returning t.${id} as id`,
    ),
    count: statement((p) => sql`select count(*) as count from ${table} where ${isLeft(p.prefix)}`),
    isThrough: (prefix, ids) =>
      sql`not exists (select 1 from ${table} where ${isLeft(prefix)} and not ${id} = any(${ids}::uuid[]))`,
  };
}
