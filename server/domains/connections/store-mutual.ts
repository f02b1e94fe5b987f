import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { existingAccount } from "../accounts/index.js";
import { isBlocked } from "../blocks/index.js";
import { connections } from "./schema.js";

export interface MutualPage {
  accountId: string;
  peerId: string;
  type: string;
  /** The last account of the page before. */
  after: string | undefined;
  limit: number;
}

/**
 * A page of the accounts that two have a connection to, by id, without whom the first has blocked; nobody, when that is the
 * second. No row when there is no such peer, one of null when they have none in common.
 *
 * It walks along the first one's connections and looks each up among the peer's, so it costs who asks as much as he has made.
 * Those that an account withholds from itself, having blocked the peer, are among them: by leaving them out the list would
 * tell that it has.
 */
export const listMutual = statement<MutualPage, { accountId: string | null }>(
  (p) => sql`select found.peer_id as account_id
    from (${existingAccount(p.peerId)}) peer left join lateral (
      select mine.peer_id from ${connections} mine
      where mine.account_id = ${p.accountId}::uuid and mine.type = ${p.type}::text
        and mine.peer_id > coalesce(${p.after}::uuid, '00000000-0000-0000-0000-000000000000')
        and not ${isBlocked(sql`${p.accountId}::uuid`, sql`${p.peerId}::uuid`)}
        and (select exists (
          select 1 from ${connections} theirs
          where theirs.account_id = ${p.peerId}::uuid and theirs.type = ${p.type}::text and theirs.peer_id = mine.peer_id))
        and not ${isBlocked(sql`${p.accountId}::uuid`, sql`mine.peer_id`)}
      order by mine.peer_id limit ${p.limit}::int
    ) found on true
    order by found.peer_id`,
);
