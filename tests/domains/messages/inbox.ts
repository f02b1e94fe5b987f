import type { Person, TestBackstay } from "../../support/backstay.js";
import { openDatabase } from "../support.js";

/** The counters of a recipient, and the rows they stand for. */
export async function countersAndRows(backstay: TestBackstay, recipient: Person) {
  const sql = openDatabase(backstay);
  const counters = await sql`select name, value::int from backstay.counters where account_id = ${recipient.id}`;
  const [rows] = await sql`select count(*)::int as msg_count, count(read_at)::int as msg_read
    from backstay.messages where recipient_id = ${recipient.id}`;
  const values: Record<string, number> = { msg_count: 0, msg_read: 0 };
  for (const { name, value } of counters) values[name] = value;
  return { counters: values, rows: rows as { msg_count: number; msg_read: number } };
}
