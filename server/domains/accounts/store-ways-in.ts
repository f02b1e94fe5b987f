import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts, identities } from "./schema.js";

/** Holds an account until the transaction ends, so that its ways in are changed by one at a time. */
export const lockAccount = statement<{ accountId: string }, { id: string }>(
  (p) => sql`select id from ${accounts} where id = ${p.accountId}::uuid for update`,
);

/**
 * Notes that an address is the account's, makes it a way in, in the place of one before it, and says so. Returns no row when the
 * account's address is another one by now, or when another account has shown that this one is its own: nothing of it may stay then.
 */
export const insertVerifiedEmail = statement<
  { id: string; accountId: string; email: string; subject: string } & NewEvent,
  { id: string }
>(
  (p) => sql`with owner as (
      update ${accounts} set email_verified_at = ${p.at}::timestamptz, updated_at = ${p.at}::timestamptz
      where id = ${p.accountId}::uuid and email = ${p.email}::text and status = 'active'
      returning id
    ), before as (
      delete from ${identities} i using owner
      where i.account_id = owner.id and i.kind = 'email' and i.subject <> ${p.subject}::text
    ), told as (${recordFrom(sql`owner`, p)})
    insert into ${identities} as i (id, account_id, kind, subject, label, created_at)
    select ${p.id}::uuid, owner.id, 'email', ${p.subject}::text, ${p.email}::text, ${p.at}::timestamptz from owner
    on conflict (kind, subject) do update set label = excluded.label where i.account_id = excluded.account_id
    returning i.id`,
);

/** Makes an account that nobody can sign in to again: its tokens are the way in. */
export const insertAnonymous = statement<{ id: string; identityId: string; name: string; at: Date }, { id: string }>(
  (p) => sql`with account as (
      insert into ${accounts}
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at)
      values (${p.id}::uuid, ${p.name}::text, ${p.name}::text, '', '', '', '', '', '{}', ${p.at}::timestamptz,
        ${p.at}::timestamptz)
      returning id
    ), identity as (
      insert into ${identities} (id, account_id, kind, subject, label, created_at)
      select ${p.identityId}::uuid, id, 'anonymous', replace(id::text, '-', ''), '', ${p.at}::timestamptz from account
    )
    select id from account`,
);

/**
 * What an account signs in by, with a secret, unless it has a login; it is told of it. The unique login is the constraint
 * `identities_kind_subject`; an address that another account has shown to be its own is `taken` too.
 */
export const insertLogin = statement<
  {
    id: string;
    accountId: string;
    subject: string;
    login: string;
    secretPhc: string;
    secretSealed: Buffer | undefined;
  } & NewEvent,
  { added: boolean; taken: boolean }
>(
  (p) => sql`with taken as (
      select from ${identities}
      where kind = 'email' and subject = ${p.subject}::text and account_id <> ${p.accountId}::uuid
    ), added as (
      insert into ${identities} (id, account_id, kind, subject, label, secret_phc, secret_sealed, created_at)
      select ${p.id}::uuid, a.id, 'login', ${p.subject}::text, ${p.login}::text, ${p.secretPhc}::text,
        ${p.secretSealed}::bytea, ${p.at}::timestamptz
      from ${accounts} a
      where a.id = ${p.accountId}::uuid and not exists (select from taken)
        and not exists (select from ${identities} i where i.account_id = a.id and i.kind = 'login')
      returning id
    ), told as (${recordFrom(sql`added`, p)})
    select exists (select from added) as added, exists (select from taken) as taken`,
);

/** What an account that wants a login is, and whether another's login or verified address is the same text. */
export const findUpgrade = statement<
  { accountId: string; subject: string },
  { hasLogin: boolean; isAnonymous: boolean; isTaken: boolean }
>(
  (p) => sql`select
      exists (select from ${identities} where account_id = ${p.accountId}::uuid and kind = 'login') as has_login,
      exists (select from ${identities} where account_id = ${p.accountId}::uuid and kind = 'anonymous') as is_anonymous,
      exists (
        select from ${identities}
        where subject = ${p.subject}::text and kind in ('login', 'email') and account_id <> ${p.accountId}::uuid
      ) as is_taken`,
);

/** The account is not anonymous any more. */
export const deleteAnonymous = statement<{ accountId: string }, { id: string }>(
  (p) => sql`delete from ${identities} where account_id = ${p.accountId}::uuid and kind = 'anonymous' returning id`,
);

/** Gives the login of an account another secret, whatever it was; returns no row when the account has no login. */
export const setSecret = statement<
  { accountId: string; secretPhc: string; secretSealed: Buffer | undefined },
  { id: string }
>(
  (p) => sql`update ${identities}
    set secret_phc = ${p.secretPhc}::text, secret_sealed = ${p.secretSealed}::bytea, detail = null
    where account_id = ${p.accountId}::uuid and kind = 'login'
    returning id`,
);
