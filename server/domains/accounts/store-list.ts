import { type SQL, sql } from "drizzle-orm";
import type { Ctx } from "../../context.js";
import { type Column, type Columns, exactly, runSql } from "../../platform/db/index.js";
import { isBlocked } from "../blocks/index.js";
import { accounts, identities } from "./schema.js";
import { type AccountRow, columns, login } from "./store.js";

/** The columns that accounts are filtered and sorted by. */
export const COLUMNS: Columns<AccountRow> = {
  id: { holds: "id", sql: sql`a.id`, public: true },
  login: { holds: "text", sql: sql`coalesce(${login}, '')`, public: false, of: (account) => account.login ?? "" },
  name: { holds: "text", sql: sql`a.name`, public: true, of: ({ name }) => name },
  alias: { holds: "text", sql: sql`a.alias`, public: true, of: ({ alias }) => alias },
  email: { holds: "text", sql: sql`a.email`, public: false, of: ({ email }) => email },
  phone: { holds: "text", sql: sql`a.phone`, public: false, of: ({ phone }) => phone },
  gender: { holds: "text", sql: sql`a.gender`, public: false, of: ({ gender }) => gender },
  birthday: { holds: "text", sql: sql`a.birthday`, public: false, of: ({ birthday }) => birthday },
  address: { holds: "text", sql: sql`a.address`, public: false, of: ({ address }) => address },
  roles: { holds: "texts", sql: sql`a.roles`, public: false },
  status: {
    holds: "text",
    sql: sql`a.status`,
    public: false,
    words: ["active", "banned"],
    of: ({ status }) => status,
  },
  email_verified: {
    holds: "text",
    sql: sql`(a.email_verified_at is not null)::text`,
    public: false,
    words: ["true", "false"],
    of: ({ emailVerifiedAt }) => String(emailVerifiedAt !== null),
  },
  create_time: { holds: "time", sql: sql`a.created_at`, public: true },
  update_time: { holds: "time", sql: sql`a.updated_at`, public: true },
};

/** That an account `a` has the login that is known by a folded subject. */
export function hasLogin(subject: string): SQL {
  return sql`a.id in (select account_id from ${identities} where kind = 'login' and subject = ${subject}::text)`;
}

/** That an account `a` has none. */
export const NO_LOGIN = sql`${login} is null`;

/** That nobody is. */
export const NOBODY = sql`false`;

/** An account with its place in a list: the text of what the list is sorted by. */
export interface PlacedAccount extends AccountRow {
  place: string;
}

export interface AccountPage {
  where: SQL;
  /** Whoever this account has blocked is left out; undefined leaves out nobody. */
  withoutBlockedBy: string | undefined;
  sort: Column<AccountRow>;
  descending: boolean;
  /** The place and id of the last account of the page before. */
  after: { place: string; id: string } | undefined;
  limit: number;
}

/** A page of accounts in the order of a column, and of their ids where it is the same. */
export function listAccounts(ctx: Pick<Ctx, "db">, page: AccountPage): Promise<PlacedAccount[]> {
  const { key, place, type } = ordering(page.sort);
  const direction = page.descending ? sql`desc` : sql`asc`;
  const { after } = page;
  const beyond =
    after === undefined
      ? sql`true`
      : sql`(${key}, a.id) ${page.descending ? sql`<` : sql`>`} (${after.place}::${type}, ${after.id}::uuid)`;
  const reader = page.withoutBlockedBy;
  const shown = reader === undefined ? sql`true` : sql`not ${isBlocked(sql`${reader}::uuid`, sql`a.id`)}`;
  return runSql<PlacedAccount>(
    ctx,
    sql`select ${columns}, ${place} as place
      from ${accounts} a
      where ${page.where} and ${beyond} and ${shown}
      order by ${key} ${direction}, a.id ${direction}
      limit ${page.limit}::int`,
  );
}

/** What to sort by, the same as text, and the type that text is of. Text goes by its bytes, whatever the cluster's locale. */
function ordering({ holds, sql: column }: Column<AccountRow>): { key: SQL; place: SQL; type: SQL } {
  switch (holds) {
    case "time":
      return { key: column, place: exactly(column), type: sql.raw("text::timestamptz") };
    case "id":
      return { key: column, place: sql`replace(${column}::text, '-', '')`, type: sql.raw("uuid") };
    default:
      return { key: sql`${column} collate "C"`, place: column, type: sql.raw("text") };
  }
}
