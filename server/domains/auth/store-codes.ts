import { type SQL, sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { accountNamed, accounts } from "../accounts/index.js";
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
  /** What others call the account. */
  name: string;
}

/** A code that was sent, with the address its account has now. */
export interface SentCode {
  accountId: string;
  email: string;
  purpose: CodePurpose;
  target: string;
  codeMac: Buffer;
}

/** The address of an account that may be used, verified or not. */
export const findAddress = statement<{ accountId: string }, Recipient>(
  (p) => sql`select id as account_id, email, name from ${accounts}
    where id = ${p.accountId}::uuid and status = 'active' and email <> ''`,
);

/**
 * The verified address of whom a login, or that address, names; only of an account that may be used, and none that has taken the
 * place of another since `settledAt`.
 */
export const findVerifiedAddress = statement<{ subject: string; settledAt: Date }, Recipient>(
  (p) => sql`select id as account_id, email, name from ${accounts}
    where id = (${accountNamed(p.subject)}) and status = 'active' and email_verified_at is not null
      and (email_replaced_at is null or email_replaced_at <= ${p.settledAt}::timestamptz)`,
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

/** A try that was counted: of a code, or of none. */
type TriedCode = SentCode | { [Name in keyof SentCode]: null };

/**
 * Counts a try at each code that an update finds. Where it finds none it writes to the database's log all the same, and returns a row of
 * nulls: what is written is told from what is not by the time that it takes.
 */
const trying = (update: SQL) => sql`with tried as (
    ${update} returning c.account_id, c.purpose, c.target, c.code_mac, a.email
  ), written as (
    select case when not exists (select from tried) then pg_logical_emit_message(true, 'backstay', '') end as lsn
  )
  select tried.* from written left join tried on true`;

/** Counts a try at the code that was asked for with a login, before it is compared. */
export const tryResetCode = statement<{ subject: string; at: Date }, TriedCode>((p) =>
  trying(sql`update ${oneTimeCodes} c set tries = c.tries + 1 from ${accounts} a
    where c.account_id = (${accountNamed(p.subject)}) and c.purpose = 'reset-secret' and c.tries < ${TRIES}
      and c.expires_at > ${p.at}::timestamptz
      and a.id = c.account_id and a.status = 'active' and a.email_verified_at is not null`),
);

/**
 * The same of the codes that were sent to an address to verify it: several accounts may say that it is theirs. With `accountId`
 * the code of that one alone.
 */
export const tryVerificationCodes = statement<{ target: string; at: Date; accountId: string | undefined }, TriedCode>(
  (p) =>
    trying(sql`update ${oneTimeCodes} c set tries = c.tries + 1 from ${accounts} a
    where c.target = ${p.target}::text and c.purpose = 'verify-email'
      and (${p.accountId}::uuid is null or c.account_id = ${p.accountId}::uuid) and c.tries < ${TRIES}
      and c.expires_at > ${p.at}::timestamptz
      and a.id = c.account_id and a.status = 'active'`),
);

/** The code that was tried; undefined when it was none. */
export function codeOf(tried: TriedCode | undefined): SentCode | undefined {
  return tried === undefined || tried.accountId === null ? undefined : tried;
}

/** Takes a try at a code back. */
export const untryCode = statement<{ accountId: string; purpose: CodePurpose; codeMac: Buffer }, never>(
  (p) => sql`update ${oneTimeCodes} set tries = greatest(tries - 1, 0)
    where account_id = ${p.accountId}::uuid and purpose = ${p.purpose}::text and code_mac = ${p.codeMac}::bytea`,
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
