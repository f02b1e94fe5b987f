import { sql } from "drizzle-orm";
import { statement } from "../../platform/db/index.js";
import { identities } from "../accounts/index.js";

/** What is kept of a passkey besides its id. */
export interface PasskeyDetail {
  /** COSE, in base64url. */
  publicKey: string;
  /** How often it was used, as it says itself; 0 for ever when it does not count. */
  counter: number;
  /** How a browser reaches the device. */
  transports: string[];
  backedUp: boolean;
  deviceType: "singleDevice" | "multiDevice";
}

export interface PasskeyRow {
  id: string;
  name: string;
  backedUp: boolean;
  createdAt: Date;
  lastUsedAt: Date | null;
}

/**
 * Registers a passkey. An anonymous account is one no longer. The unique credential is the constraint
 * `identities_kind_subject`.
 */
export const insertPasskey = statement<
  { id: string; accountId: string; credentialId: string; name: string; detail: string; at: Date },
  never
>(
  (p) => sql`with upgraded as (
      delete from ${identities} where account_id = ${p.accountId}::uuid and kind = 'anonymous'
    )
    insert into ${identities} (id, account_id, kind, subject, label, created_at, detail)
    values (${p.id}::uuid, ${p.accountId}::uuid, 'passkey', ${p.credentialId}::text, ${p.name}::text, ${p.at}::timestamptz,
      ${p.detail}::text::jsonb)`,
);

/** The passkey of a credential's id. */
export const findPasskey = statement<
  { credentialId: string },
  { id: string; accountId: string; detail: PasskeyDetail }
>(
  (p) => sql`select id, account_id, detail from ${identities}
    where kind = 'passkey' and subject = ${p.credentialId}::text`,
);

/** What a browser has to know of an account's passkeys, the newest ones first, up to `most`. */
export const findCredentials = statement<
  { accountId: string; most: number },
  { credentialId: string; detail: PasskeyDetail }
>(
  (p) => sql`select subject as credential_id, detail from ${identities}
    where account_id = ${p.accountId}::uuid and kind = 'passkey'
    order by id desc limit ${p.most}::int`,
);

/** Notes that a passkey was used. Returns no row when it was used as often before: then there are two of it. */
export const usePasskey = statement<{ id: string; counter: number; backedUp: boolean; at: Date }, { id: string }>(
  (p) => sql`update ${identities} set last_used_at = ${p.at}::timestamptz,
      detail = detail || jsonb_build_object('counter', ${p.counter}::bigint, 'backedUp', ${p.backedUp}::boolean)
    where id = ${p.id}::uuid and kind = 'passkey'
      and (${p.counter}::bigint > (detail->>'counter')::bigint
        or (${p.counter}::bigint = 0 and (detail->>'counter')::bigint = 0))
    returning id`,
);

/** The passkeys of an account in the order they were registered, after one of them. */
export const listPasskeys = statement<{ accountId: string; after: string | undefined; limit: number }, PasskeyRow>(
  (p) => sql`select id, label as name, (detail->>'backedUp')::boolean as backed_up, created_at, last_used_at
    from ${identities}
    where account_id = ${p.accountId}::uuid and kind = 'passkey' and (${p.after}::uuid is null or id > ${p.after}::uuid)
    order by id limit ${p.limit}::int`,
);
