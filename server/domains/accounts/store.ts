import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts, identities } from "./schema.js";

/** An account with its login. */
export interface AccountRow {
  id: string;
  login: string | null;
  name: string;
  alias: string;
  email: string;
  phone: string;
  gender: string;
  birthday: string;
  address: string;
  roles: string[];
  createdAt: Date;
  updatedAt: Date;
}

/** The text an account's owner may change. */
export interface AccountText {
  name: string;
  alias: string;
  email: string;
  phone: string;
  gender: string;
  birthday: string;
  address: string;
}

export interface NewAccount extends AccountText {
  id: string;
  identityId: string;
  login: string;
  subject: string;
  secretPhc: string;
  secretSealed: Buffer | undefined;
  roles: string[];
  at: Date;
}

/** The login of an account `a`. */
export const login = sql`(select label from ${identities} where account_id = a.id and kind = 'login' limit 1)`;

/** An account `a` as AccountRow has it. */
export const columns = sql`a.id, a.name, a.alias, a.email, a.phone, a.gender, a.birthday, a.address, a.roles, a.created_at,
  a.updated_at, ${login} as login`;

function inserted(from: SQL, p: Parameters<NewAccount>): SQL {
  return sql`account as (
      insert into ${accounts}
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select ${p.id}::uuid, ${p.name}::text, ${p.alias}::text, ${p.email}::text, ${p.phone}::text, ${p.gender}::text,
        ${p.birthday}::text, ${p.address}::text, ${p.roles}::text[], ${p.at}::timestamptz, ${p.at}::timestamptz
      from ${from}
      returning id
    ), identity as (
      insert into ${identities} (id, account_id, kind, subject, label, secret_phc, secret_sealed, created_at)
      select ${p.identityId}::uuid, account.id, 'login', ${p.subject}::text, ${p.login}::text, ${p.secretPhc}::text,
        ${p.secretSealed}::bytea, ${p.at}::timestamptz
      from account
    )
    select id from account`;
}

/** Makes an account with its login. The unique login is the constraint `identities_kind_subject`. */
export const insertAccount = statement<NewAccount, { id: string }>(
  (p) => sql`with ${inserted(sql`(select 1) as once`, p)}`,
);

/** The same unless the key was used before: then it makes nothing and returns no row. */
export const insertAccountOnce = statement<NewAccount & KeyInput, { id: string }>(
  (p) => sql`with claimed as (${claimKey(sql`(select 1) as once`, p)}), ${inserted(sql`claimed`, p)}`,
);

/** Accounts by id, in no order. */
export const findAccounts = statement<{ ids: string[] }, AccountRow>(
  (p) => sql`select ${columns} from ${accounts} a where a.id = any(${p.ids}::uuid[])`,
);

/** What a sign-in is checked against. */
export const findLogin = statement<{ subject: string }, { accountId: string; secretPhc: string | null }>(
  (p) => sql`select account_id, secret_phc from ${identities} where kind = 'login' and subject = ${p.subject}::text`,
);

/** What a signature is checked against. */
export const findSigner = statement<
  { subject: string },
  { accountId: string; secretSealed: Buffer | null; roles: string[] }
>(
  (
    p,
  ) => sql`select i.account_id, i.secret_sealed, a.roles from ${identities} i join ${accounts} a on a.id = i.account_id
    where i.kind = 'login' and i.subject = ${p.subject}::text`,
);

/** The secret of an account, as it is kept. */
export const findSecret = statement<
  { accountId: string },
  { id: string; secretPhc: string | null; secretSealed: Buffer | null }
>(
  (p) => sql`select id, secret_phc, secret_sealed from ${identities}
    where account_id = ${p.accountId}::uuid and kind = 'login'`,
);

/** Puts another secret in the place of a known one; returns no row when it is not there any more. */
export const replaceSecret = statement<
  { id: string; before: string; secretPhc: string; secretSealed: Buffer | undefined },
  { id: string }
>(
  (p) => sql`update ${identities} set secret_phc = ${p.secretPhc}::text, secret_sealed = ${p.secretSealed}::bytea
    where id = ${p.id}::uuid and secret_phc = ${p.before}::text
    returning id`,
);

/** A piece of a larger statement: the account's id while its secret is still this one, held so that it stays. */
export function accountWithSecret(accountId: SQL, secretPhc: SQL): SQL {
  return sql`select account_id as id from ${identities}
    where account_id = ${accountId}::uuid and kind = 'login' and secret_phc = ${secretPhc}::text
    for share`;
}

/** A piece of a larger statement: the same by the mark of the secret that the account signs with. */
export function accountWithMark(accountId: SQL, secretMark: SQL): SQL {
  return sql`select account_id as id from ${identities}
    where account_id = ${accountId}::uuid and kind = 'login' and sha256(secret_sealed) = ${secretMark}::bytea
    for share`;
}

/** Whether an account signs with the secret of this mark. */
export const findMarked = statement<{ accountId: string; secretMark: Buffer }, { id: string }>(
  (p) => sql`select account_id as id from ${identities}
    where account_id = ${p.accountId}::uuid and kind = 'login' and sha256(secret_sealed) = ${p.secretMark}::bytea`,
);

/** Whether any account has a role. */
export const findRole = statement<{ role: string }, { id: string }>(
  (p) => sql`select id from ${accounts} where ${p.role}::text = any(roles) limit 1`,
);

type Change = { [Name in keyof AccountText]: string | undefined } & { id: string } & Omit<NewEvent, "topics"> & {
    topics: string[];
  };

/** Changes the text that is given, leaves what is undefined, and says so in the same statement. */
export const updateAccount = statement<Change, { id: string }>(
  (p) => sql`with changed as (
      update ${accounts} a set
        name = coalesce(${p.name}::text, a.name),
        alias = case when ${p.alias}::text = '' then coalesce(${p.name}::text, a.name) else coalesce(${p.alias}::text, a.alias) end,
        email = coalesce(${p.email}::text, a.email),
        phone = coalesce(${p.phone}::text, a.phone),
        gender = coalesce(${p.gender}::text, a.gender),
        birthday = coalesce(${p.birthday}::text, a.birthday),
        address = coalesce(${p.address}::text, a.address),
        updated_at = ${p.at}::timestamptz
      where a.id = ${p.id}::uuid
      returning a.id
    ), told as (${recordFrom(sql`changed`, p)})
    select id from changed`,
);

/** Deletes an account; what references it goes with it. */
export const deleteAccount = statement<{ id: string }, { id: string }>(
  (p) => sql`delete from ${accounts} where id = ${p.id}::uuid returning id`,
);

/** A piece of a larger statement: the account's id, or no row. */
export function existingAccount(accountId: SQL): SQL {
  return sql`select id from ${accounts} where id = ${accountId}::uuid`;
}
