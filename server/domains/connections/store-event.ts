import { type SQL, sql } from "drizzle-orm";

/** A piece of a larger statement: the proto JSON of backstay.connections.v1.Connection, which events carry. */
export function connectionJson(p: {
  /** The other account, from where the one sees it who is told. */
  peerId: SQL;
  type: SQL;
  properties: SQL;
  createdAt: SQL;
  updatedAt: SQL;
}): SQL {
  return sql`jsonb_build_object('peerId', ${hex(p.peerId)}, 'type', ${p.type}, 'properties', ${p.properties},
    'createTime', ${time(p.createdAt)}, 'updateTime', ${time(p.updatedAt)})`;
}

/** The same of a row that was deleted, as its peer saw it last. */
export const deletedJson = connectionJson({
  peerId: sql`account_id`,
  type: sql`type`,
  properties: sql`coalesce(peer_properties, properties)`,
  createdAt: sql`created_at`,
  updatedAt: sql`coalesce(peer_updated_at, updated_at)`,
});

/** A piece of a larger statement: the topic of an account, as `accountTopic` has it. */
export function topicOf(accountId: SQL): SQL {
  return sql`'account/' || ${hex(accountId)}`;
}

function hex(id: SQL): SQL {
  return sql`replace(${id}::uuid::text, '-', '')`;
}

/** As proto JSON writes it: without a fraction that is nothing. */
function time(at: SQL): SQL {
  return sql`replace(to_char(${at}::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '.000Z', 'Z')`;
}
