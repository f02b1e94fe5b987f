import { type SQL, sql } from "drizzle-orm";
import { blocks } from "./schema.js";

/**
 * A condition in a larger statement: whether `by` has blocked `whom`. Every path that joins two people asks it: what one does
 * towards somebody who has blocked him is done for himself alone, and lists leave out whom their reader has blocked.
 */
export function isBlocked(by: SQL, whom: SQL): SQL {
  return sql`exists (select 1 from ${blocks} block where block.account_id = ${by} and block.peer_id = ${whom})`;
}
