import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { accounts, identities } from "./schema.js";

/**
 * Takes the verified address of an account away as a way in, and the note that it was verified, and says so. The address itself
 * stays; it is what is answered.
 */
export const deleteVerifiedEmail = statement<{ accountId: string } & NewEvent, { email: string }>(
  (p) => sql`with gone as (
      delete from ${identities} where account_id = ${p.accountId}::uuid and kind = 'email'
    ), changed as (
      update ${accounts} set email_verified_at = null, email_replaced_at = ${p.at}::timestamptz,
        updated_at = ${p.at}::timestamptz
      where id = ${p.accountId}::uuid and email_verified_at is not null
      returning email
    ), told as (${recordFrom(sql`changed`, p)})
    select email from changed`,
);
