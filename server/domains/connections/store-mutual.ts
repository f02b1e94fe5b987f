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

/** One of the first account's connections that the page has looked at. */
export interface Compared {
  /** Null where there is none left to look at, and nothing else is answered. */
  accountId: string | null;
  /** Whether both have it, and the first has not blocked it. */
  isMutual: boolean | null;
  /** Whether it is the last that the page looks at, and there may be more. */
  isEnd: boolean | null;
}

/** The most of the first account's connections that a page looks at. */
const MOST = sql.raw("5000");

/**
 * A page of the accounts that two have a connection to, by id, without whom the first has blocked; nobody, when that is the
 * second. It ends where it has looked at very many, with the last of them, mutual or not. No row when there is no such peer.
 *
 * It walks along the first one's connections and looks each up among the peer's, so it costs who asks as much as he has made.
 * Those that an account withholds from itself, having blocked the peer, are among them: by leaving them out the list would
 * tell that it has.
 *
 * Both are found by what is at or after a place in the order of the primary key, and by no column alone: so there is one index to walk
 * along, however little, or wrong, the planner knows of how many rows an account has.
 */
export const listMutual = statement<MutualPage, Compared>(
  (p) => sql`select found.peer_id as account_id, found.is_mutual, found.is_end
    from (${existingAccount(p.peerId)}) peer left join lateral (
      select * from (
        select mine.*, mine.place = ${MOST} as is_end, coalesce((
            select (theirs.account_id, theirs.type, theirs.peer_id) = (${p.peerId}::uuid, ${p.type}::text, mine.peer_id)
            from ${connections} theirs
            where (theirs.account_id, theirs.type, theirs.peer_id) >= (${p.peerId}::uuid, ${p.type}::text, mine.peer_id)
            order by theirs.account_id, theirs.type, theirs.peer_id limit 1), false)
          and not ${isBlocked(sql`${p.accountId}::uuid`, sql`mine.peer_id`)} as is_mutual
        from (
          select c.account_id, c.type, c.peer_id, row_number() over (order by c.account_id, c.type, c.peer_id) as place
          from ${connections} c
          where (c.account_id, c.type, c.peer_id)
              > (${p.accountId}::uuid, ${p.type}::text, coalesce(${p.after}::uuid, '00000000-0000-0000-0000-000000000000'))
            and (c.account_id, c.type, c.peer_id)
              <= (${p.accountId}::uuid, ${p.type}::text, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
            and not ${isBlocked(sql`${p.accountId}::uuid`, sql`${p.peerId}::uuid`)}
          order by c.account_id, c.type, c.peer_id limit (select ${MOST})
        ) mine order by mine.account_id, mine.type, mine.peer_id offset 0
      ) looked where is_mutual or is_end
      order by looked.account_id, looked.type, looked.peer_id limit (select ${p.limit}::int)
    ) found on true
    order by found.peer_id`,
);
