import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { recoveryCodes, totp } from "./schema.js";

/** An authenticator as it is kept. */
export interface KeptTotp {
  accountId: string;
  secretSealed: Buffer;
  /** Null until a code of it was seen: it does not count before. */
  confirmedAt: Date | null;
}

/** Keeps the secret of an authenticator to be; returns no row when the account has one. */
export const enrollTotp = statement<{ accountId: string; secretSealed: Buffer; at: Date }, { accountId: string }>(
  (p) => sql`insert into ${totp} as t (account_id, secret_sealed, last_step, created_at)
    values (${p.accountId}::uuid, ${p.secretSealed}::bytea, 0, ${p.at}::timestamptz)
    on conflict (account_id) do update set secret_sealed = excluded.secret_sealed, created_at = excluded.created_at
    where t.confirmed_at is null
    returning t.account_id`,
);

export const findTotp = statement<{ accountId: string }, KeptTotp>(
  (p) => sql`select account_id, secret_sealed, confirmed_at from ${totp} where account_id = ${p.accountId}::uuid`,
);

/** An authenticator that is on, held until the transaction ends: its codes and recovery codes are changed by one at a time. */
export const lockTotp = statement<{ accountId: string }, KeptTotp>(
  (p) => sql`select account_id, secret_sealed, confirmed_at from ${totp}
    where account_id = ${p.accountId}::uuid and confirmed_at is not null
    for update`,
);

/** What an account may know of its authenticator, if it is on. */
export interface AuthenticatorRow {
  confirmedAt: Date;
  recoveryCodesLeft: number;
}

export const findAuthenticator = statement<{ accountId: string }, AuthenticatorRow>(
  (p) => sql`select confirmed_at,
      (select count(*)::int from ${recoveryCodes} where account_id = ${p.accountId}::uuid) as recovery_codes_left
    from ${totp} where account_id = ${p.accountId}::uuid and confirmed_at is not null`,
);

/** Turns an authenticator on with the code of a time step; returns no row when it is on, or another was enrolled meanwhile. */
export const confirmTotp = statement<
  { accountId: string; secretSealed: Buffer; step: number; at: Date },
  { accountId: string }
>(
  (p) => sql`update ${totp} set confirmed_at = ${p.at}::timestamptz, last_step = ${p.step}::bigint
    where account_id = ${p.accountId}::uuid and confirmed_at is null and secret_sealed = ${p.secretSealed}::bytea
    returning account_id`,
);

/** Uses up the code of a time step, and all before it; returns no row when that was done. */
export const useStep = statement<{ accountId: string; step: number }, { accountId: string }>(
  (p) => sql`update ${totp} set last_step = ${p.step}::bigint
    where account_id = ${p.accountId}::uuid and confirmed_at is not null and last_step < ${p.step}::bigint
    returning account_id`,
);

/** Turns an authenticator off, with its recovery codes; returns no row when it was not on. */
export const deleteTotp = statement<{ accountId: string }, { accountId: string }>(
  (p) => sql`with codes as (delete from ${recoveryCodes} where account_id = ${p.accountId}::uuid)
    delete from ${totp} where account_id = ${p.accountId}::uuid and confirmed_at is not null returning account_id`,
);

/** Voids what is left of an account's recovery codes. */
export const deleteRecoveryCodes = statement<{ accountId: string }, never>(
  (p) => sql`delete from ${recoveryCodes} where account_id = ${p.accountId}::uuid`,
);

/** Keeps recovery codes, by their MACs in hex; only of an account whose authenticator is on. */
export const insertRecoveryCodes = statement<{ accountId: string; macs: string[] }, never>(
  (p) => sql`insert into ${recoveryCodes} (account_id, code_mac)
    select t.account_id, decode(mac, 'hex') from ${totp} t, unnest(${p.macs}::text[]) as mac
    where t.account_id = ${p.accountId}::uuid and t.confirmed_at is not null`,
);

/** Uses a recovery code up; returns no row when there is none such. */
export const takeRecoveryCode = statement<{ accountId: string; codeMac: Buffer }, { accountId: string }>(
  (p) => sql`delete from ${recoveryCodes}
    where account_id = ${p.accountId}::uuid and code_mac = ${p.codeMac}::bytea
    returning account_id`,
);
