import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts } from "../accounts/index.js";
import { apiKeys } from "./schema.js";

/** An API key as its owner sees it. */
export interface ApiKeyRow {
  id: string;
  name: string;
  accountId: string | null;
  scopes: string[];
  createdAt: Date;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
}

/** A key that somebody shows, with whoever it acts for. */
export interface ShownKey {
  id: string;
  /** Null for a key of the installation. */
  accountId: string | null;
  /** Those of the account; null for a key of the installation. */
  roles: string[] | null;
  scopes: string[];
  keySealed: Buffer;
  expiresAt: Date | null;
  lastUsedAt: Date | null;
}

const COLUMNS = sql`k.id, k.name, k.account_id, k.scopes, k.created_at, k.expires_at, k.last_used_at`;

/** Whether a key `k` acts for the installation, or for an account `a` that is not banned. */
const MAY = sql`(k.account_id is null or a.status = 'active')`;

export interface NewApiKey {
  id: string;
  /** Undefined for a key of the installation. */
  accountId: string | undefined;
  name: string;
  scopes: string[];
  keyHash: Buffer;
  keySealed: Buffer;
  at: Date;
  expiresAt: Date | undefined;
}

function inserted(from: SQL, p: Parameters<NewApiKey>): SQL {
  return sql`insert into ${apiKeys} as k
      (id, account_id, name, scopes, key_hash, key_sealed, created_at, expires_at)
    select ${p.id}::uuid, ${p.accountId}::uuid, ${p.name}::text, ${p.scopes}::text[], ${p.keyHash}::bytea,
      ${p.keySealed}::bytea, ${p.at}::timestamptz, ${p.expiresAt}::timestamptz
    from ${from}
    returning ${COLUMNS}`;
}

/** Makes a key. */
export const insertApiKey = statement<NewApiKey, ApiKeyRow>((p) => inserted(sql`(select 1) as once`, p));

/** The same unless the idempotency key was used before: then it makes nothing and returns no row. */
export const insertApiKeyOnce = statement<NewApiKey & KeyInput, ApiKeyRow>(
  (p) => sql`with claimed as (${claimKey(sql`(select 1) as once`, p)}), made as (${inserted(sql`claimed`, p)})
    select * from made`,
);

/** A key as it is kept. */
export const findApiKey = statement<{ id: string }, ApiKeyRow & { keySealed: Buffer }>(
  (p) => sql`select ${COLUMNS}, k.key_sealed from ${apiKeys} k where k.id = ${p.id}::uuid`,
);

/** A page of an account's keys, or of the installation's, oldest first. */
export const listApiKeys = statement<
  { accountId: string | undefined; afterAt: Date | undefined; afterId: string | undefined; limit: number },
  ApiKeyRow
>(
  (p) => sql`select ${COLUMNS} from ${apiKeys} k
    where k.account_id is not distinct from ${p.accountId}::uuid
      and (${p.afterId}::uuid is null or (k.created_at, k.id) > (${p.afterAt}::timestamptz, ${p.afterId}::uuid))
    order by k.created_at, k.id limit ${p.limit}::int`,
);

/** Ends a key of the account, or whoever's it is: it is gone, and every node hears of it by the event log. */
export const deleteApiKey = statement<
  { keyId: string; accountId: string | undefined; anyones: boolean } & NewEvent,
  ApiKeyRow
>(
  (p) => sql`with gone as (
      delete from ${apiKeys} k
      where k.id = ${p.keyId}::uuid and (${p.anyones}::boolean or k.account_id = ${p.accountId}::uuid)
      returning ${COLUMNS}
    ), told as (${recordFrom(sql`(select 1 from gone) as once`, p)})
    select * from gone`,
);

/** The key of this SHA-256, if whoever it acts for may do anything. */
export const findKeyByHash = statement<{ keyHash: Buffer }, ShownKey>((p) =>
  shown(sql`k.key_hash = ${p.keyHash}::bytea`),
);

/** The key of this id, likewise. */
export const findKeyById = statement<{ keyId: string }, ShownKey>((p) => shown(sql`k.id = ${p.keyId}::uuid`));

/** Those of some keys that still prove something. */
export const findStandingKeys = statement<{ keyIds: string[] }, { id: string }>(
  (p) => sql`select k.id from ${apiKeys} k left join ${accounts} a on a.id = k.account_id
    where k.id = any(${p.keyIds}::uuid[]) and (k.expires_at is null or k.expires_at > now())
      and ${MAY}`,
);

/** Writes down that a key was used, but once a minute. */
export const touchApiKey = statement<{ keyId: string; at: Date }, never>(
  (p) => sql`update ${apiKeys} set last_used_at = ${p.at}::timestamptz
    where id = ${p.keyId}::uuid
      and (last_used_at is null or last_used_at < ${p.at}::timestamptz - interval '1 minute')`,
);

function shown(which: SQL): SQL {
  return sql`select k.id, k.account_id, a.roles, k.scopes, k.key_sealed, k.expires_at, k.last_used_at
    from ${apiKeys} k left join ${accounts} a on a.id = k.account_id
    where ${which} and ${MAY}`;
}
