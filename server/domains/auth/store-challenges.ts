import { sql } from "drizzle-orm";
import { PRUNE_BATCH, statement } from "../../platform/db/index.js";
import { authChallenges } from "./schema.js";

const LIMIT = sql.raw(String(PRUNE_BATCH));

/** What was begun. */
export type ChallengeKind = "passkey-registration" | "passkey-sign-in" | "oauth";

/** Keeps what was begun. Of an account's, no more than `most` are kept: the oldest make room. */
export const insertChallenge = statement<
  {
    id: string;
    kind: ChallengeKind;
    accountId: string | undefined;
    tokenHash: Buffer | undefined;
    dataSealed: Buffer;
    at: Date;
    expiresAt: Date;
    most: number;
  },
  never
>(
  (p) => sql`with surplus as (
      delete from ${authChallenges} where id in (
        select id from ${authChallenges} where account_id = ${p.accountId}::uuid
        order by created_at desc, id desc offset ${p.most}::int - 1
      )
    )
    insert into ${authChallenges} (id, kind, account_id, token_hash, data_sealed, created_at, expires_at)
    values (${p.id}::uuid, ${p.kind}::text, ${p.accountId}::uuid, ${p.tokenHash}::bytea, ${p.dataSealed}::bytea,
      ${p.at}::timestamptz, ${p.expiresAt}::timestamptz)`,
);

/** Takes what was begun, for whoever began it: the same account or none, with the same token or none. Once. */
export const takeChallenge = statement<
  { id: string; kind: ChallengeKind; accountId: string | undefined; tokenHash: Buffer | undefined; at: Date },
  { dataSealed: Buffer }
>(
  (p) => sql`delete from ${authChallenges}
    where id = ${p.id}::uuid and kind = ${p.kind}::text and account_id is not distinct from ${p.accountId}::uuid
      and token_hash is not distinct from ${p.tokenHash}::bytea and expires_at > ${p.at}::timestamptz
    returning data_sealed`,
);

/** The same without taking it, for whoever knows its id. */
export const findChallenge = statement<{ id: string; kind: ChallengeKind; at: Date }, { dataSealed: Buffer }>(
  (p) => sql`select data_sealed from ${authChallenges}
    where id = ${p.id}::uuid and kind = ${p.kind}::text and expires_at > ${p.at}::timestamptz`,
);

/** Forgets a batch of what was begun and is past its time. */
export const pruneChallenges = statement<{ at: Date }, { pruned: bigint }>(
  (p) => sql`with old as (
      select id from ${authChallenges} where expires_at < ${p.at}::timestamptz
      order by expires_at limit ${LIMIT} for update skip locked
    ), gone as (delete from ${authChallenges} where id in (select id from old) returning 1)
    select count(*) as pruned from gone`,
);
