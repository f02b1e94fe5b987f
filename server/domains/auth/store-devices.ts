import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { identities } from "../accounts/index.js";
import { devices, grants } from "./schema.js";

/** A sign-in as its owner sees it. */
export interface DeviceRow {
  id: string;
  name: string;
  method: string;
  address: string;
  createdAt: Date;
  lastSeenAt: Date;
  expiresAt: Date;
}

/** Whether a device `d` has a token that is good for something at a time. */
const lives = (at: SQL) => sql`exists (
  select 1 from ${grants} g where g.family_id = d.id and g.rotated_at is null and g.expires_at > ${at}::timestamptz
)`;

/** A page of an account's sign-ins that still stand, newest first. */
export const listDevices = statement<
  { accountId: string; at: Date; beforeAt: Date | undefined; beforeId: string | undefined; limit: number },
  DeviceRow
>(
  (p) => sql`select d.id, d.name, d.method, d.address, d.created_at, d.last_seen_at, d.expires_at from ${devices} d
    where d.account_id = ${p.accountId}::uuid and ${lives(p.at)}
      and (${p.beforeId}::uuid is null or (d.created_at, d.id) < (${p.beforeAt}::timestamptz, ${p.beforeId}::uuid))
    order by d.created_at desc, d.id desc limit ${p.limit}::int`,
);

/** An account's sign-in that still stands, by its id. */
export const findDevice = statement<{ id: string; accountId: string; at: Date }, { id: string }>(
  (p) => sql`select d.id from ${devices} d
    where d.id = ${p.id}::uuid and d.account_id = ${p.accountId}::uuid and ${lives(p.at)}`,
);

/**
 * Returns a row when a sign-in was made since then, or when nobody could make another: an anonymous account is whoever has its tokens.
 * A session cookie that was asked for with a token is none: it shows no more than the token.
 */
export const findRecentSignIn = statement<{ accountId: string; familyId: string; since: Date }, { accountId: string }>(
  (p) => sql`select ${p.accountId}::uuid as account_id
    where exists (
        select from ${devices}
        where id = ${p.familyId}::uuid and method <> 'session' and created_at >= ${p.since}::timestamptz
      ) or not exists (
        select from ${identities} where account_id = ${p.accountId}::uuid and kind <> 'anonymous'
      )`,
);

/** Writes down that a sign-in was used, unless that was done lately. */
export const touchDevice = statement<{ id: string; at: Date; before: Date }, never>(
  (p) => sql`update ${devices} set last_seen_at = ${p.at}::timestamptz
    where id = ${p.id}::uuid and last_seen_at <= ${p.before}::timestamptz`,
);
