import { type SQL, sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
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

/** Writes down that a sign-in was used, unless that was done lately. */
export const touchDevice = statement<{ id: string; at: Date; before: Date }, never>(
  (p) => sql`update ${devices} set last_seen_at = ${p.at}::timestamptz
    where id = ${p.id}::uuid and last_seen_at <= ${p.before}::timestamptz`,
);
