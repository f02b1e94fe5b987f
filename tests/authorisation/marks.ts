import type postgres from "postgres";

/** A value that stands in one column and nowhere else. */
export interface Mark {
  /** Such as `accounts.email`. */
  column: string;
  /** How it may be spelled in an answer. */
  spellings: string[];
}

interface Column {
  table: string;
  name: string;
  type: string;
  nullable: boolean;
  generated: boolean;
}

/** Values that a check or a key asks for; what they hold is no secret of anybody. */
const FIXED: Readonly<Record<string, string | number>> = {
  "accounts.status": "active",
  "api_keys.account_id": "",
  "auth_challenges.kind": "oauth",
  "counters.name": "marked_counter",
  "counters.slot": 0,
  "devices.method": "secret",
  "grants.kind": "access",
  "identities.kind": "oidc",
  "one_time_codes.purpose": "verify-email",
  "one_time_codes.tries": 0,
};

/** Columns by which a row belongs to an account. */
const OWNERS = ["account_id", "recipient_id"];

/** Columns that name another account, which there must be. */
const OTHERS = ["blocks.peer_id", "withheld_counts.viewer_id", "withheld_messages.sender_id"];

/** Kept in step by triggers and by the chain: what is written there comes from the inbox. */
const SKIPPED = ["audit_log"];

/**
 * Gives an account a row in every table that has one of its rows, with another value in each column, and marks the columns of
 * its own row as well. Where a row joins it to another account, that is `strangerId`.
 */
export async function markAll(sql: postgres.Sql, accountId: string, strangerId: string): Promise<Mark[]> {
  const columns = await allColumns(sql);
  const marks: Mark[] = [];
  const own = columns.filter(({ table, name }) => table === "accounts" && name !== "id" && !isFixed(table, name));
  const changes = Object.fromEntries(own.map((column) => [column.name, mark(column, marks)]));
  await sql`update backstay.accounts set ${sql(changes)} where id = ${accountId}`;

  const tables = new Set(columns.filter(({ name }) => OWNERS.includes(name)).map(({ table }) => table));
  for (const table of [...tables].filter((one) => !SKIPPED.includes(one))) {
    const rows = columns.filter((column) => column.table === table && !column.generated);
    const row = rows.map((column) => [column.name, rowValue(column, accountId, strangerId, marks)]);
    await sql`insert into backstay.${sql(table)} ${sql(Object.fromEntries(row))}`;
  }
  // A sign-in is shown while it has a token that lives.
  await sql`update backstay.grants set family_id = (select id from backstay.devices where name like 'zq%'),
      rotated_at = null
    where account_id = ${accountId} and expires_at > '2070-01-01'`;
  // What happened to it, as its streams tell it.
  const event = { table: "events", name: "data", type: "jsonb", nullable: false, generated: false };
  await sql`insert into backstay.outbox (id, topics, type, actor_id, data, created_at)
    values (gen_random_uuid(), ${[`account/${accountId}`]}, 'message.add', ${accountId}, ${mark(event, marks) as never},
      now())`;
  return marks;
}

/**
 * Connects an account to another, which is at each of them shown something else than stands in it, or not that it is there. Answers
 * the marks of what is kept from it, and those of what it is shown.
 */
export async function markLinks(sql: postgres.Sql, accountId: string, peerId: string) {
  const value = (name: string) => ({ [name]: `zq${name}zq` });
  const marksOf = (...names: string[]): Mark[] =>
    names.map((name) => ({ column: `connections.${name}`, spellings: [`zq${name}zq`] }));
  const row = { account_id: accountId, peer_id: peerId, created_at: sql`now()`, updated_at: sql`now()` };
  const link = { id: sql`gen_random_uuid()`, reference_id: sql`gen_random_uuid()`, ...row };
  const rows = [
    {
      ...link,
      type: "veiled",
      properties: value("hidden"),
      peer_properties: value("shown"),
      peer_updated_at: sql`now()`,
    },
    { ...link, type: "withheld", properties: value("withheld"), reference_id: null },
  ];
  for (const one of rows) await sql`insert into backstay.connections ${sql(one as never)}`;
  return { kept: marksOf("hidden", "withheld"), shown: marksOf("shown") };
}

/** The marks that stand in a text. */
export function found(marks: readonly Mark[], text: string): string[] {
  return marks.filter(({ spellings }) => spellings.some((one) => text.includes(one))).map(({ column }) => column);
}

function isFixed(table: string, name: string): boolean {
  return Object.hasOwn(FIXED, `${table}.${name}`);
}

function rowValue(column: Column, accountId: string, strangerId: string, marks: Mark[]): unknown {
  const { table, name } = column;
  if (OTHERS.includes(`${table}.${name}`)) return strangerId;
  if (OWNERS.includes(name)) return accountId;
  return isFixed(table, name) ? FIXED[`${table}.${name}`] : mark(column, marks);
}

/** A value of the column's type that is like no other. */
function mark({ table, name, type }: Column, marks: Mark[]): unknown {
  const number = marks.length + 100;
  const text = `zq${number}zq`;
  const add = (...spellings: string[]) => marks.push({ column: `${table}.${name}`, spellings });
  switch (type) {
    case "uuid": {
      const id = `${text.replaceAll(/[^0-9]/g, "")}`.padStart(32, "fade");
      const dashed = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
      add(id, dashed);
      return id;
    }
    case "bytea": {
      const bytes = Buffer.from(`${text}bytes`);
      // In the midst of others base64 looks another way, but never here, where each stands alone.
      add(text, bytes.toString("base64").replace(/=+$/, ""), bytes.toString("base64url"), bytes.toString("hex"));
      return bytes;
    }
    case "ARRAY":
      add(text);
      return [text];
    case "jsonb":
      add(text);
      return { provider: text, [text]: text };
    case "timestamp with time zone": {
      const at = new Date(Date.UTC(2071, 0, 1) + number * 86_400_000);
      add(at.toISOString().slice(0, 10), String(at.getTime()));
      return at;
    }
    case "bigint":
    case "integer":
      add(String(7_007_000 + number));
      return 7_007_000 + number;
    default:
      add(text);
      // Text that is JSON, kept as it was written.
      return `${table}.${name}` === "audit_inbox.detail" ? JSON.stringify({ marked: text }) : text;
  }
}

async function allColumns(sql: postgres.Sql): Promise<Column[]> {
  const rows = await sql`select table_name, column_name, data_type, is_nullable, column_default, is_generated
    from information_schema.columns where table_schema = 'backstay' order by table_name, ordinal_position`;
  return rows.map((row) => ({
    table: row.table_name,
    name: row.column_name,
    type: row.data_type,
    nullable: row.is_nullable === "YES",
    generated: row.is_generated === "ALWAYS" || String(row.column_default).startsWith("nextval"),
  }));
}
