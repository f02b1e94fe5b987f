import { type SQL, sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { accounts, identities } from "../accounts/index.js";
import { oneTimeCodes } from "./schema.js";

/** So many codes may be tried until the right one is void too. */
const TRIES = sql.raw("5");
const LIMIT = sql.raw(String(PRUNE_BATCH));

/** What a code is for. */
export type CodePurpose = "verify-email" | "reset-secret";

/** Where a code goes. */
export interface Recipient {
  accountId: string;
  email: string;
}

/** A code that was sent, with the address its account has now. */
export interface SentCode extends Recipient {
  purpose: CodePurpose;
  target: string;
  codeMac: Buffer;
}

/** The address of an account that may be used, verified or not. */
export const findAddress = statement<{ accountId: string }, Recipient>(
  (p) => sql`select id as account_id, email from ${accounts}
    where id = ${p.accountId}::uuid and status = 'active' and email <> ''`,
);

/** Whose a login is, or else a verified address: a subject that is nobody's costs the same. */
const named = (subject: SQL) => sql`select account_id from ${identities}
  where (kind, subject) in (('login', ${subject}::text), ('email', ${subject}::text))
  order by kind desc limit 1`;

/** The verified address of whom a login, or that address, names; only of an account that may be used. */
export const findVerifiedAddress = statement<{ subject: string }, Recipient>(
  (p) => sql`select id as account_id, email from ${accounts}
    where id = (${named(p.subject)}) and status = 'active' and email_verified_at is not null`,
);

/** Keeps a code in the place of one of the same account and purpose; returns no row when the account is gone. */
export const putCode = statement<
  { accountId: string; purpose: CodePurpose; target: string; codeMac: Buffer; at: Date; expiresAt: Date },
  { accountId: string }
>(
  (p) => sql`insert into ${oneTimeCodes} (account_id, purpose, target, code_mac, tries, created_at, expires_at)
    select id, ${p.purpose}::text, ${p.target}::text, ${p.codeMac}::bytea, 0, ${p.at}::timestamptz,
      ${p.expiresAt}::timestamptz
    from ${accounts} where id = ${p.accountId}::uuid
    for key share
    on conflict (account_id, purpose) do update set target = excluded.target, code_mac = excluded.code_mac, tries = 0,
      created_at = excluded.created_at, expires_at = excluded.expires_at
    returning account_id`,
);

const tried = sql`c.account_id, c.purpose, c.target, c.code_mac, a.email`;

/** Counts a try at the code that was asked for with a login, before it is compared; returns no row when there is none to try. */
export const tryResetCode = statement<{ subject: string; at: Date }, SentCode>(
  (p) => sql`update ${oneTimeCodes} c set tries = c.tries + 1 from ${accounts} a
    where c.account_id = (${named(p.subject)}) and c.purpose = 'reset-secret' and c.tries < ${TRIES}
      and c.expires_at > ${p.at}::timestamptz
      and a.id = c.account_id and a.status = 'active' and a.email_verified_at is not null
    returning ${tried}`,
);

/** The same of the codes that were sent to an address to verify it: several accounts may say that it is theirs. */
export const tryVerificationCodes = statement<{ target: string; at: Date }, SentCode>(
  (p) => sql`update ${oneTimeCodes} c set tries = c.tries + 1 from ${accounts} a
    where c.target = ${p.target}::text and c.purpose = 'verify-email' and c.tries < ${TRIES}
      and c.expires_at > ${p.at}::timestamptz
      and a.id = c.account_id and a.status = 'active'
    returning ${tried}`,
);

/** Uses a code up; returns no row when it was. */
export const takeCode = statement<{ accountId: string; purpose: CodePurpose; codeMac: Buffer }, { accountId: string }>(
  (p) => sql`delete from ${oneTimeCodes}
    where account_id = ${p.accountId}::uuid and purpose = ${p.purpose}::text and code_mac = ${p.codeMac}::bytea
    returning account_id`,
);

/** Voids every code of an account. */
export const deleteCodes = statement<{ accountId: string }, never>(
  (p) => sql`delete from ${oneTimeCodes} where account_id = ${p.accountId}::uuid`,
);

/** Forgets a batch of codes that are past their end. */
export const pruneCodes = statement<{ at: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select account_id, purpose from ${oneTimeCodes} where expires_at < ${p.at}::timestamptz
      order by expires_at limit ${LIMIT} for update skip locked
    ), gone as (
      delete from ${oneTimeCodes} c using old where c.account_id = old.account_id and c.purpose = old.purpose returning 1
    )
    select count(*) as pruned from gone`,
);
