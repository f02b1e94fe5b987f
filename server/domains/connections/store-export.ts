import { type SQL, sql } from "drizzle-orm";
import { exactly, statement } from "../../platform/db/index.js";
import { connections } from "./schema.js";
import type { ConnectionRow } from "./store-row.js";

/** A connection, and when it was made to the microsecond: where it stands in its side. */
export interface ExportedConnection extends ConnectionRow {
  place: string;
}

export interface ExportPage {
  accountId: string;
  /** Type, place and peer of the last row of the page before. */
  afterType: string | undefined;
  afterPlace: string | undefined;
  afterPeer: string | undefined;
  limit: number;
}

/** A page of one side, in the order of its index. */
const page = (side: { account: SQL; peer: SQL; properties: SQL; updatedAt: SQL; shown: SQL }) =>
  statement<ExportPage, ExportedConnection>(
    (p) => sql`select ${side.peer} as peer_id, type, ${side.properties} as properties, created_at,
        ${side.updatedAt} as updated_at, ${exactly(sql`created_at`)} as place
      from ${connections}
      where ${side.account} = ${p.accountId}::uuid and ${side.shown} and (type, created_at, ${side.peer}) >
        (coalesce(${p.afterType}::text, ''), coalesce(${p.afterPlace}::text::timestamptz, '-infinity'),
          coalesce(${p.afterPeer}::uuid, '00000000-0000-0000-0000-000000000000'))
      order by type, created_at, ${side.peer} limit ${p.limit}::int`,
  );

/** Connections that an account has made. */
export const listMade = page({
  account: sql`account_id`,
  peer: sql`peer_id`,
  properties: sql`properties`,
  updatedAt: sql`updated_at`,
  shown: sql`true`,
});

/** Connections to an account as it sees them, also those of accounts it has blocked since. */
export const listReceived = page({
  account: sql`peer_id`,
  peer: sql`account_id`,
  properties: sql`coalesce(peer_properties, properties)`,
  updatedAt: sql`coalesce(peer_updated_at, updated_at)`,
  shown: sql`reference_id is not null`,
});
