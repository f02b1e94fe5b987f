import { type SQL, sql } from "drizzle-orm";
import { exactly, statement } from "../../platform/db/index.js";
import { withheldTopic } from "../../platform/events/index.js";
import { blocks } from "./schema.js";

/** Somebody who is blocked, and since when. */
export interface BlockedRow {
  peerId: string;
  createdAt: Date;
}

/** The same with that time to the microsecond: where it stands in the list. */
export interface ListedBlock extends BlockedRow {
  place: string;
}

/**
 * A condition in a larger statement: whether `by` has blocked `whom`. Every path that joins two people asks it: what one does
 * towards somebody who has blocked him is done for himself alone, and lists leave out whom their reader has blocked.
 *
 * It is one step in the index for each row that is asked about, and true or false: as a bare `exists`, the planner might make a join
 * of it, which reads all whom one has blocked, or sorts a whole list for a page of it.
 */
export function isBlocked(by: SQL, whom: SQL): SQL {
  // By their own names, a caller's `account_id` would be taken for the one of this table.
  return sql`(select exists (select 1 from (select account_id as blocker, peer_id as blocked from ${blocks}) block
    where blocker = ${by} and blocked = ${whom}))`;
}

/** A piece of a larger statement: where it is told what an account does, which is not heard there while `hides` holds. */
export function heardAt(topic: SQL, hides: SQL, actorId: SQL): SQL {
  const id = sql`replace(${actorId}::uuid::text, '-', '')`;
  return sql`case when ${hides} then ${sql.raw(`'${withheldTopic("")}'`)} || ${id} else ${topic} end`;
}

/** Blocks an account, unless it is blocked already. Breaks a foreign key where there is no such account. */
export const insertBlock = statement<{ accountId: string; peerId: string; at: Date }, never>(
  (p) => sql`insert into ${blocks} (account_id, peer_id, created_at)
    values (${p.accountId}::uuid, ${p.peerId}::uuid, ${p.at}::timestamptz)
    on conflict (account_id, peer_id) do nothing`,
);

/** Lifts a block, if there is one. */
export const deleteBlock = statement<{ accountId: string; peerId: string }, never>(
  (p) => sql`delete from ${blocks} where account_id = ${p.accountId}::uuid and peer_id = ${p.peerId}::uuid`,
);

export interface BlockedPage {
  accountId: string;
  /** The place and the id of the last one of the page before. */
  afterPlace: string | undefined;
  afterId: string | undefined;
  limit: number;
}

/** A page of whom an account has blocked: who was blocked first comes first. */
export const listBlocked = statement<BlockedPage, ListedBlock>(
  (p) => sql`select peer_id, created_at, ${exactly(sql`created_at`)} as place from ${blocks}
    where account_id = ${p.accountId}::uuid and (created_at, peer_id) >
      (coalesce(${p.afterPlace}::text::timestamptz, '-infinity'), coalesce(${p.afterId}::uuid, '00000000-0000-0000-0000-000000000000'))
    order by created_at, peer_id limit ${p.limit}::int`,
);

/** Some of those who block an account, no more than `limit`. */
export const findBlockers = statement<{ accountId: string; limit: number }, { id: string }>(
  (p) => sql`select account_id as id from ${blocks} where peer_id = ${p.accountId}::uuid limit ${p.limit}::int`,
);
