import { type SQL, sql } from "drizzle-orm";
import { DomainError } from "../../kernel/errors.js";
import { PRUNE_BATCH } from "./batches.js";
import type { Db } from "./db.js";
import { idempotencyKeys } from "./schema.js";
import { statement } from "./statement.js";

/** The parameters of a create that may be repeated. */
export interface KeyInput {
  scope: string;
  key: string;
  requestHash: Buffer;
  resourceId: string;
  at: Date;
}

const KEPT = sql.raw("interval '24 hours'");

/**
 * A piece of a larger statement: takes the key for the row of `from`. It returns a row when the key was free (or older than
 * 24 h), and none when the create was done before; whatever is to happen once selects from it.
 */
export function claimKey(from: SQL, p: { scope: SQL; key: SQL; requestHash: SQL; resourceId: SQL; at: SQL }): SQL {
  return sql`insert into ${idempotencyKeys} as known (scope, key, request_hash, resource_id, created_at)
    select ${p.scope}::text, ${p.key}::text, ${p.requestHash}::bytea, ${p.resourceId}::uuid, ${p.at}::timestamptz
    from ${from}
    on conflict (scope, key) do update
      set request_hash = excluded.request_hash, resource_id = excluded.resource_id, created_at = excluded.created_at
      where known.created_at < excluded.created_at - ${KEPT}
    returning resource_id`;
}

/** What a used key stands for. Throws IDEMPOTENCY_MISMATCH when it was used with another request. */
export async function replayedResource(
  ctx: { readonly db: Db },
  used: { scope: string; key: string; isOfRequest: (hash: Buffer) => boolean },
): Promise<string> {
  const known = (await findKey(ctx, used))[0];
  if (known === undefined || !used.isOfRequest(known.requestHash)) throw new DomainError("IDEMPOTENCY_MISMATCH");
  return known.resourceId;
}

const findKey = statement<{ scope: string; key: string }, { requestHash: Buffer; resourceId: string }>(
  (p) => sql`select request_hash, resource_id from ${idempotencyKeys}
    where scope = ${p.scope}::text and key = ${p.key}::text`,
);

/** What a key of several scopes stands for: a create that makes several things has a scope for each. */
export const findKeys = statement<
  { scopes: string[]; key: string },
  { scope: string; requestHash: Buffer; resourceId: string }
>(
  (p) => sql`select scope, request_hash, resource_id from ${idempotencyKeys}
    where scope = any(${p.scopes}::text[]) and key = ${p.key}::text`,
);

/** Forgets a batch of keys older than 24 hours, the oldest first. */
export const pruneKeys = statement<{ at: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select scope, key from ${idempotencyKeys} where created_at < ${p.at}::timestamptz - ${KEPT}
      order by created_at limit ${sql.raw(String(PRUNE_BATCH))} for update skip locked
    ), gone as (
      delete from ${idempotencyKeys} where (scope, key) in (select scope, key from old) returning 1
    )
    select count(*) as pruned from gone`,
);
