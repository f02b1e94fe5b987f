import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { accounts, identities } from "./schema.js";

/** An account to be, that signs in at a provider. */
export interface NewOutsideAccount {
  id: string;
  name: string;
  email: string;
  at: Date;
  identityId: string;
  subject: string;
  label: string;
  /** JSON. */
  detail: string;
  emailId: string;
  /** The address as a way in, folded; absent when it was not shown to be his. */
  verified: string | undefined;
}

/** Makes it, with its identity. The unique subject is the constraint `identities_kind_subject`. */
export const insertOutsideAccount = statement<NewOutsideAccount, never>(
  (p) => sql`with shown as (
      insert into ${identities} (id, account_id, kind, subject, label, created_at)
      select ${p.emailId}::uuid, ${p.id}::uuid, 'email', ${p.verified}::text, ${p.email}::text, ${p.at}::timestamptz
      where ${p.verified}::text is not null
      on conflict (kind, subject) do nothing
      returning 1
    ), account as (
      insert into ${accounts}
        (id, name, alias, email, phone, gender, birthday, address, roles, created_at, updated_at, email_verified_at)
      values (${p.id}::uuid, ${p.name}::text, ${p.name}::text, ${p.email}::text, '', '', '', '', '{}',
        ${p.at}::timestamptz, ${p.at}::timestamptz,
        case when exists (select 1 from shown) then ${p.at}::timestamptz end)
      returning id
    )
    insert into ${identities} (id, account_id, kind, subject, label, created_at, last_used_at, detail)
    select ${p.identityId}::uuid, id, 'oidc', ${p.subject}::text, ${p.label}::text, ${p.at}::timestamptz,
      ${p.at}::timestamptz, ${p.detail}::text::jsonb
    from account`,
);
