import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { accounts, identities } from "./schema.js";

/** Takes the verified address of an account away as a way in, and the note that it was verified. The address itself stays. */
export const deleteVerifiedEmail = statement<{ accountId: string; at: Date }, never>(
  (p) => sql`with gone as (
      delete from ${identities} where account_id = ${p.accountId}::uuid and kind = 'email'
    )
    update ${accounts} set email_verified_at = null, updated_at = ${p.at}::timestamptz where id = ${p.accountId}::uuid`,
);
