import { sql } from "drizzle-orm";
import { adoptKey, type SealedColumn, sealedColumn, statement } from "../../platform/db/index.js";
import { identities } from "../accounts/index.js";
import { apiKeys, totp } from "./schema.js";

/** All that is sealed for longer than a few minutes. */
export const SEALED: readonly SealedColumn[] = [
  sealedColumn({
    table: identities,
    id: identities.id,
    boundTo: identities.accountId,
    column: identities.secretSealed,
    use: "signing-secret",
  }),
  sealedColumn({
    table: totp,
    id: totp.accountId,
    boundTo: totp.accountId,
    column: totp.secretSealed,
    use: "totp-secret",
  }),
  sealedColumn({ table: apiKeys, id: apiKeys.id, boundTo: apiKeys.id, column: apiKeys.keySealed, use: "api-key" }),
];

/** Says that nobody needs another key than this one, if nothing is sealed under another but the rows of some ids. */
export const adoptIfThrough = statement<{ fingerprint: string; prefix: Buffer; lost: string[] }, { name: string }>(
  (p) =>
    adoptKey(
      p.fingerprint,
      sql.join(
        SEALED.map((column) => column.isThrough(p.prefix, p.lost)),
        sql` and `,
      ),
    ),
);
