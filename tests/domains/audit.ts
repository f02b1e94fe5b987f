import type { TestBackstay } from "../support/backstay.js";
import { openDatabase } from "./support.js";

/** What is written down of an account by one type of entry, oldest first, chained or not yet. */
export async function auditOf(
  backstay: TestBackstay,
  accountId: string,
  type: string,
): Promise<{ actorId: string | null; detail: object }[]> {
  const sql = openDatabase(backstay);
  // One statement, so that none is seen twice or not at all while it is chained.
  const rows = await sql`select replace(actor_id::text, '-', '') as actor_id, detail from (
    select at, 1 as place, seq, account_id, type, actor_id, detail from backstay.audit_inbox
    union all select at, 0, sequence, account_id, type, actor_id, detail from backstay.audit_log
  ) as entries where account_id = ${accountId} and type = ${type} order by at, place, seq`;
  return rows.map(({ actor_id, detail }) => ({ actorId: actor_id, detail: JSON.parse(detail) }));
}
