import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { identities } from "../accounts/index.js";

/** Whom a folded login, or a verified address, names. */
export const findNamed = statement<{ subject: string }, { accountId: string }>(
  (p) => sql`select account_id from ${identities}
    where (kind, subject) in (('login', ${p.subject}::text), ('email', ${p.subject}::text))
    order by kind desc limit 1`,
);
