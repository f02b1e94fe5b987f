import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { isConnected } from "./store-put.js";

/** Whose connection, of what type, to whom. */
export interface Between {
  readonly accountId: string;
  readonly type: string;
  readonly peerId: string;
}

/** Several. Lists of the same length: one place in each is one of them. */
interface Several {
  accountIds: string[];
  types: string[];
  peerIds: string[];
}

/** Whether each peer has made such a connection to the account, as far as that one may see it; in the order they are given. */
export const findConnected = statement<Several, { connected: boolean }>(
  (p) => sql`select ${isConnected(sql`asked.account_id`, sql`asked.type`, sql`asked.peer_id`)} as connected
    from unnest(${p.accountIds}::uuid[], ${p.types}::text[], ${p.peerIds}::uuid[])
      with ordinality as asked (account_id, type, peer_id, place)
    order by place`,
);
