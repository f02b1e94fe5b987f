import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { accounts, identities } from "../accounts/index.js";

/** The ways in to an account, as they are told apart. */
export type IdentityKind = "login" | "email" | "oidc" | "passkey" | "anonymous";

export interface IdentityRow {
  id: string;
  kind: IdentityKind;
  /** The provider's name here; null for other kinds. */
  provider: string | null;
  label: string;
  createdAt: Date;
  lastUsedAt: Date | null;
}

const columns = sql`id, kind, detail->>'provider' as provider, label, created_at, last_used_at`;

/** The ways in to an account in the order they were made, after one of them. */
export const listIdentities = statement<{ accountId: string; after: string | undefined; limit: number }, IdentityRow>(
  (p) => sql`select ${columns} from ${identities}
    where account_id = ${p.accountId}::uuid and (${p.after}::uuid is null or id > ${p.after}::uuid)
    order by id limit ${p.limit}::int`,
);

/** Whose identity of a provider it is; notes that it was used. */
export const useOutsideIdentity = statement<{ subject: string; at: Date }, { accountId: string }>(
  (p) => sql`update ${identities} set last_used_at = ${p.at}::timestamptz
    where kind = 'oidc' and subject = ${p.subject}::text
    returning account_id`,
);

/**
 * Links an identity of a provider to an account. An anonymous account is one no longer. The unique subject is the constraint
 * `identities_kind_subject`.
 */
export const linkOutsideIdentity = statement<
  { id: string; accountId: string; subject: string; label: string; detail: string; at: Date },
  never
>(
  (p) => sql`with upgraded as (
      delete from ${identities} where account_id = ${p.accountId}::uuid and kind = 'anonymous'
    )
    insert into ${identities} (id, account_id, kind, subject, label, created_at, detail)
    values (${p.id}::uuid, ${p.accountId}::uuid, 'oidc', ${p.subject}::text, ${p.label}::text, ${p.at}::timestamptz,
      ${p.detail}::text::jsonb)`,
);

/** Holds an account until the transaction ends, for whoever changes what leads into it. */
export const holdAccount = statement<{ accountId: string }, { id: string }>(
  (p) => sql`select id from ${accounts} where id = ${p.accountId}::uuid for no key update`,
);

/** One of the ways in to an account. */
export const findIdentity = statement<{ accountId: string; id: string }, IdentityRow>(
  (p) => sql`select ${columns} from ${identities} where id = ${p.id}::uuid and account_id = ${p.accountId}::uuid`,
);

/** A way in to an account by which somebody could sign in without this one; of `providers` those that are still asked. */
export const findOtherWayIn = statement<{ accountId: string; id: string; providers: string[] }, { id: string }>(
  (p) => sql`select id from ${identities}
    where account_id = ${p.accountId}::uuid and id <> ${p.id}::uuid
      and (kind = 'passkey' or (kind = 'login' and secret_phc is not null)
        or (kind = 'oidc' and detail->>'provider' = any(${p.providers}::text[])))
    limit 1`,
);

export const deleteIdentity = statement<{ id: string }, never>(
  (p) => sql`delete from ${identities} where id = ${p.id}::uuid`,
);
