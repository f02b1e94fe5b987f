import { type SQL, sql } from "drizzle-orm";
import { type Parameters, PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts, accountWithMark, accountWithSecret } from "../accounts/index.js";
import { devices, grants, signatureUses } from "./schema.js";

const LIMIT = sql.raw(String(PRUNE_BATCH));

/** An account that is held before its ways in are: so does everyone who holds both. */
const HELD = sql`(select id from held)`;

export interface NewPair {
  accessId: string;
  accessHash: Buffer;
  accessExpiresAt: Date;
  refreshId: string;
  refreshHash: Buffer;
  refreshExpiresAt: Date;
  at: Date;
}

/** A session cookie to be. */
export interface NewCookie {
  cookieId: string;
  cookieHash: Buffer;
  cookieExpiresAt: Date;
}

/** What its owner sees of a sign-in to be. */
export interface NewDevice {
  deviceName: string;
  method: string;
  address: string;
}

/**
 * The first pair of a sign-in, its cookie if it has one, and what its owner sees of it. Returns no row when the account is gone
 * or banned, or its secret has changed since it was compared, if it was.
 */
export const insertFamily = statement<
  NewPair &
    NewDevice & { [Name in keyof NewCookie]: NewCookie[Name] | undefined } & {
      accountId: string;
      secretName: Buffer | undefined;
      familyId: string;
      familyExpiresAt: Date;
    },
  { familyId: string }
>(
  (p) => sql`with held as (
      select id from ${accounts} where id = ${p.accountId}::uuid and status = 'active' for share
    ), compared as (${accountWithSecret(HELD, p.secretName)}),
    owner as (
      select id from held where ${p.secretName}::bytea is null or exists (select 1 from compared)
    ),
    device as (${insertDevice(sql`owner`, p)}),
    made as (
      insert into ${grants} (id, kind, token_hash, account_id, family_id, created_at, expires_at, family_expires_at)
      select made.id, made.kind, made.hash, owner.id, ${p.familyId}::uuid, ${p.at}::timestamptz, made.expires_at,
        ${p.familyExpiresAt}::timestamptz
      from owner cross join (values
        (${p.accessId}::uuid, 'access', ${p.accessHash}::bytea, ${p.accessExpiresAt}::timestamptz),
        (${p.refreshId}::uuid, 'refresh', ${p.refreshHash}::bytea, ${p.refreshExpiresAt}::timestamptz),
        (${p.cookieId}::uuid, 'cookie', ${p.cookieHash}::bytea, ${p.cookieExpiresAt}::timestamptz)
      ) as made (id, kind, hash, expires_at)
      where made.id is not null
      returning family_id
    )
    select distinct family_id from made`,
);

/** A piece of a larger statement: what the owner (the id of `from`) sees of the sign-in that is made. */
function insertDevice(
  from: SQL,
  p: Parameters<NewDevice & { familyId: string; familyExpiresAt: Date; at: Date }>,
): SQL {
  return sql`insert into ${devices} (id, account_id, name, method, address, created_at, last_seen_at, expires_at)
    select ${p.familyId}::uuid, id, ${p.deviceName}::text, ${p.method}::text, ${p.address}::text, ${p.at}::timestamptz,
      ${p.at}::timestamptz, ${p.familyExpiresAt}::timestamptz
    from ${from}`;
}

/**
 * A session cookie that is a sign-in of its own. What it was asked for with must stand: the sign-in, which bounds it, or the
 * secret of the signature. Returns no row when that or the account is gone.
 */
export const insertSession = statement<
  NewCookie &
    NewDevice & {
      accountId: string;
      fromFamilyId: string | undefined;
      fromSecretMark: Buffer | undefined;
      familyId: string;
      familyExpiresAt: Date;
      at: Date;
    },
  { expiresAt: Date }
>(
  (p) => sql`with held as (
      select id from ${accounts} where id = ${p.accountId}::uuid and status = 'active' for share
    ), origin as (
      select family_expires_at from ${grants}
      where family_id = ${p.fromFamilyId}::uuid and account_id = ${HELD}
      limit 1 for share
    ), signer as (${accountWithMark(HELD, p.fromSecretMark)}), owner as (
      select id, least(${p.familyExpiresAt}::timestamptz, (select family_expires_at from origin)) as ends_at
      from held
      where exists (select 1 from origin) or exists (select 1 from signer)
    ), device as (${insertDevice(sql`owner`, p)})
    insert into ${grants} (id, kind, token_hash, account_id, family_id, created_at, expires_at, family_expires_at)
    select ${p.cookieId}::uuid, 'cookie', ${p.cookieHash}::bytea, owner.id, ${p.familyId}::uuid, ${p.at}::timestamptz,
      least(${p.cookieExpiresAt}::timestamptz, owner.ends_at), owner.ends_at
    from owner
    returning expires_at`,
);

/** What an access token or a cookie stands for, also past its end. */
export const findCaller = statement<
  { hash: Buffer; kind: "access" | "cookie" },
  { accountId: string; familyId: string; expiresAt: Date; roles: string[]; seenAt: Date | null }
>(
  (p) => sql`select g.account_id, g.family_id, g.expires_at, a.roles,
      (select last_seen_at from ${devices} where id = g.family_id) as seen_at
    from ${grants} g join ${accounts} a on a.id = g.account_id
    where g.token_hash = ${p.hash}::bytea and g.kind = ${p.kind}::text and a.status = 'active'`,
);

/** Takes a cookie out of use; its sign-in's tokens stay. */
export const deleteCookie = statement<{ hash: Buffer }, { id: string }>(
  (p) => sql`delete from ${grants} where token_hash = ${p.hash}::bytea and kind = 'cookie' returning id`,
);

/** When a pair ends: as asked for, or with its sign-in. */
export type PairEnds = Pick<NewPair, "accessExpiresAt" | "refreshExpiresAt">;

/**
 * Exchanges a refresh token, once: returns no row when it is unknown, past its end or exchanged already. When that was is told by the
 * database, whose clock is the same for all nodes.
 */
export const rotate = statement<NewPair & { parentHash: Buffer }, PairEnds & { familyId: string }>(
  (p) => sql`with parent as (
      update ${grants} set rotated_at = now()
      where token_hash = ${p.parentHash}::bytea and kind = 'refresh' and rotated_at is null
        and expires_at > ${p.at}::timestamptz
      returning account_id, family_id, family_expires_at
    ), pair as (
      insert into ${grants} (id, kind, token_hash, account_id, family_id, created_at, expires_at, family_expires_at)
      select made.id, made.kind, made.hash, parent.account_id, parent.family_id, ${p.at}::timestamptz,
        least(made.expires_at, parent.family_expires_at), parent.family_expires_at
      from parent cross join (values
        (${p.accessId}::uuid, 'access', ${p.accessHash}::bytea, ${p.accessExpiresAt}::timestamptz),
        (${p.refreshId}::uuid, 'refresh', ${p.refreshHash}::bytea, ${p.refreshExpiresAt}::timestamptz)
      ) as made (id, kind, hash, expires_at)
      returning kind, expires_at, family_id
    )
    select access.expires_at as access_expires_at, refresh.expires_at as refresh_expires_at, access.family_id
    from pair access join pair refresh on access.kind = 'access' and refresh.kind = 'refresh'`,
);

/** A refresh token as it stands, with how many milliseconds ago it was exchanged; null when it was not. */
export const findRefresh = statement<{ hash: Buffer }, { accountId: string; familyId: string; sinceMs: number | null }>(
  (p) => sql`select account_id, family_id,
      (extract(epoch from clock_timestamp() - rotated_at) * 1000)::float8 as since_ms
    from ${grants}
    where token_hash = ${p.hash}::bytea and kind = 'refresh'`,
);

/** Those of some refresh tokens that were made; all by their hashes in hex. */
export const findMade = statement<{ hashes: string[] }, { hash: string }>(
  (p) => sql`select encode(token_hash, 'hex') as hash from ${grants}
    where token_hash in (select decode(hash, 'hex') from unnest(${p.hashes}::text[]) as hash) and kind = 'refresh'`,
);

/** One more access token for the family of a living refresh token; returns no row when it is not. */
export const insertAccess = statement<
  { accessId: string; accessHash: Buffer; accessExpiresAt: Date; refreshHash: Buffer; at: Date },
  PairEnds
>(
  (p) => sql`with parent as (
      select account_id, family_id, family_expires_at, expires_at from ${grants}
      where token_hash = ${p.refreshHash}::bytea and kind = 'refresh' and rotated_at is null
        and expires_at > ${p.at}::timestamptz
      for share
    ), made as (
      insert into ${grants} (id, kind, token_hash, account_id, family_id, created_at, expires_at, family_expires_at)
      select ${p.accessId}::uuid, 'access', ${p.accessHash}::bytea, account_id, family_id, ${p.at}::timestamptz,
        least(${p.accessExpiresAt}::timestamptz, family_expires_at), family_expires_at
      from parent
      returning expires_at
    )
    select made.expires_at as access_expires_at, parent.expires_at as refresh_expires_at from parent, made`,
);

/** Revokes a sign-in: its tokens are gone, and every node hears of it by the event log. */
export const deleteFamily = statement<{ familyId: string } & NewEvent, { id: string }>(
  (p) => sql`with device as (delete from ${devices} where id = ${p.familyId}::uuid),
    gone as (delete from ${grants} where family_id = ${p.familyId}::uuid returning id),
    told as (${recordFrom(sql`(select 1 from gone limit 1) as once`, p)})
    select id from gone`,
);

/** Tells every node that all sign-ins of an account are revoked, or all but one; who tells has taken the tokens. */
export const tellRevoked = statement<NewEvent, never>((p) => recordFrom(sql`(select 1) as once`, p));

/** Takes away what all sign-ins of an account hold, but for one; returns the family of each, and whether it was good for more. */
export const deleteOthers = statement<
  { accountId: string; familyId: string | undefined; at: Date },
  { familyId: string; lived: boolean }
>(
  (p) => sql`with seen as (
      delete from ${devices} where account_id = ${p.accountId}::uuid and id is distinct from ${p.familyId}::uuid
    )
    delete from ${grants}
    where account_id = ${p.accountId}::uuid and family_id is distinct from ${p.familyId}::uuid
    returning family_id, rotated_at is null and expires_at > ${p.at}::timestamptz as lived`,
);

/** Takes a signature that may be used once; returns no row when it was. */
export const useSignature = statement<{ digest: Buffer; expiresAt: Date }, { digest: Buffer }>(
  (p) => sql`insert into ${signatureUses} (digest, expires_at) values (${p.digest}::bytea, ${p.expiresAt}::timestamptz)
    on conflict do nothing returning digest`,
);

/** Forgets a batch of signatures that have expired: they are refused for that. */
export const pruneSignatures = statement<{ at: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select digest from ${signatureUses} where expires_at < ${p.at}::timestamptz
      order by expires_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${signatureUses} where digest in (select digest from old) returning 1)
    select count(*) as pruned from gone`,
);

/** Those of some sign-ins that still stand. */
export const findFamilies = statement<{ familyIds: string[] }, { familyId: string }>(
  (p) => sql`select distinct family_id from ${grants} where family_id = any(${p.familyIds}::uuid[])`,
);

export const insertSetup = statement<{ id: string; hash: Buffer; at: Date; expiresAt: Date }, never>(
  (p) => sql`insert into ${grants} (id, kind, token_hash, family_id, created_at, expires_at, family_expires_at)
    values (${p.id}::uuid, 'setup', ${p.hash}::bytea, ${p.id}::uuid, ${p.at}::timestamptz, ${p.expiresAt}::timestamptz,
      ${p.expiresAt}::timestamptz)`,
);

/** Uses up a setup token, and with it those of other starts; returns no row when it is unknown, used or past its end. */
export const takeSetup = statement<{ hash: Buffer; at: Date }, { id: string }>(
  (p) => sql`delete from ${grants} where kind = 'setup' and exists (
      select 1 from ${grants} where token_hash = ${p.hash}::bytea and kind = 'setup' and expires_at > ${p.at}::timestamptz
    ) returning id`,
);

/** Forgets a batch of sign-ins that are past their end. */
export const pruneDevices = statement<{ at: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select id from ${devices} where expires_at < ${p.at}::timestamptz
      order by expires_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${devices} where id in (select id from old) returning 1)
    select count(*) as pruned from gone`,
);

/** Forgets a batch of tokens a day after their end: until then an expired token is told from an unknown one. */
export const pruneGrants = statement<{ at: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select id from ${grants} where expires_at < ${p.at}::timestamptz - interval '1 day'
      order by expires_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${grants} where id in (select id from old) returning 1)
    select count(*) as pruned from gone`,
);
