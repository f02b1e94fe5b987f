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
  status: "active" | "banned";
  /** When the address was shown to be the account's; null when it was not. */
  emailVerifiedAt: Date | null;
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
  a.updated_at, a.status, a.email_verified_at, ${login} as login`;

function inserted(from: SQL, p: Parameters<NewAccount>): SQL {
  return sql`free as (
      select from ${from} where not exists (
        select 1 from ${identities} where kind = 'email' and subject = ${p.subject}::text)
    ), account as (
      insert into ${accounts}
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      select ${p.id}::uuid, ${p.name}::text, ${p.alias}::text, ${p.email}::text, ${p.phone}::text, ${p.gender}::text,
        ${p.birthday}::text, ${p.address}::text, ${p.roles}::text[], ${p.at}::timestamptz, ${p.at}::timestamptz
      from free
      returning id
    ), identity as (
      insert into ${identities} (id, account_id, kind, subject, label, secret_phc, secret_sealed, created_at)
      select ${p.identityId}::uuid, account.id, 'login', ${p.subject}::text, ${p.login}::text, ${p.secretPhc}::text,
        ${p.secretSealed}::bytea, ${p.at}::timestamptz
      from account
    )
    select (select id from account) as id from ${from}`;
}

/**
 * Makes an account with its login. The unique login is the constraint `identities_kind_subject`; it makes nothing, and the id is
 * null, when the login is an address that somebody has shown to be his.
 */
export const insertAccount = statement<NewAccount, { id: string | null }>(
  (p) => sql`with ${inserted(sql`(select 1) as once`, p)}`,
);

/** The same unless the key was used before: then it makes nothing and returns no row. */
export const insertAccountOnce = statement<NewAccount & KeyInput, { id: string | null }>(
  (p) => sql`with claimed as (${claimKey(sql`(select 1) as once`, p)}), ${inserted(sql`claimed`, p)}`,
);

/** Accounts by id, in no order. */
export const findAccounts = statement<{ ids: string[] }, AccountRow>(
  (p) => sql`select ${columns} from ${accounts} a where a.id = any(${p.ids}::uuid[])`,
);

/** Whether any account has a role. */
export const findRole = statement<{ role: string }, { id: string }>(
  (p) => sql`select id from ${accounts} where ${p.role}::text = any(roles) limit 1`,
);

type Change = { [Name in keyof AccountText]: string | undefined } & { id: string } & NewEvent;

function changeOf({ eventId, topics, eventType, actorId, at }: Parameters<Change>, eventData: SQL) {
  return { eventId, topics, eventType, actorId, eventData, at };
}

/**
 * Changes the text that is given, leaves what is undefined, and says so in the same statement. An alias that is the name, or is
 * emptied, is the new name. Another address is one that nobody has shown to be his, and what led in by the one before leads in no
 * more; where that was the only way in, nothing changes. `replaced` is the address before when that was verified.
 */
export const updateAccount = statement<Change, { id: string; lastWayIn: boolean; replaced: string | null }>(
  (p) => sql`with held as (
      select id, email, email_verified_at, ${p.alias}::text is null and alias = name as follows from ${accounts}
      where id = ${p.id}::uuid for no key update
    ), moved as (
      select id, email, email_verified_at from held where email <> ${p.email}::text
    ), stranded as (
      select id from moved where exists (select 1 from ${identities} where account_id = moved.id and kind = 'email')
        and not exists (select 1 from ${identities} where account_id = moved.id and kind <> 'email')
    ), changed as (
      update ${accounts} a set
        name = coalesce(${p.name}::text, a.name),
        alias = case when follows or ${p.alias}::text = '' then coalesce(${p.name}::text, a.name)
          else coalesce(${p.alias}::text, a.alias) end,
        email = coalesce(${p.email}::text, a.email),
        email_verified_at = case when exists (select 1 from moved) then null else a.email_verified_at end,
        email_replaced_at = case when exists (select 1 from moved where email_verified_at is not null)
          then ${p.at}::timestamptz else a.email_replaced_at end,
        phone = coalesce(${p.phone}::text, a.phone),
        gender = coalesce(${p.gender}::text, a.gender),
        birthday = coalesce(${p.birthday}::text, a.birthday),
        address = coalesce(${p.address}::text, a.address),
        updated_at = ${p.at}::timestamptz
      from held
      where a.id = held.id and not exists (select 1 from stranded)
      returning a.id, case when follows and ${p.name}::text is not null
          then jsonb_insert(${p.eventData}::jsonb, '{changed,-1}', '"alias"', true) else ${p.eventData}::jsonb end as data
    ), closed as (
      delete from ${identities} i using moved, changed where i.account_id = moved.id and i.kind = 'email'
    ), told as (${recordFrom(sql`changed`, changeOf(p, sql`data`))})
    select id, exists (select 1 from stranded) as last_way_in,
      (select email from moved where email_verified_at is not null) as replaced
    from held`,
);

/**
 * Has the transaction's statements wait for a lock for a moment only, and then fail by LockTimeoutError: less than the second after
 * which the database looks for rings of who wait for each other, and breaks one at whomever it likes. The moment is each time
 * another one, so that of two who would give way to each other one goes on.
 */
export const waitBriefly = statement<object, never>(
  () => sql`select set_config('lock_timeout', (200 + floor(300 * random()))::text, true)`,
);

/** Holds an account that is to be deleted: who would write a row that references it waits, and finds it gone. */
export const lockAccount = statement<{ id: string }, { id: string }>(
  (p) => sql`select id from ${accounts} where id = ${p.id}::uuid for update`,
);

/** Deletes an account; what references it goes with it. */
export const deleteAccount = statement<{ id: string }, { id: string }>(
  (p) => sql`delete from ${accounts} where id = ${p.id}::uuid returning id`,
);

/**
 * A piece of a larger statement: whom a folded subject names, by his login or an address he has verified. A login that is
 * somebody else's address, or the other way round, leads to who was there first. A subject that is nobody's costs the same.
 */
export function accountNamed(subject: SQL): SQL {
  return sql`select account_id from ${identities}
    where (kind, subject) in (('login', ${subject}::text), ('email', ${subject}::text))
    order by created_at, id limit 1`;
}

/** A piece of a larger statement: the account's id, or no row. */
export function existingAccount(accountId: SQL): SQL {
  return sql`select id from ${accounts} where id = ${accountId}::uuid`;
}
