import { sql } from "drizzle-orm";
import { claimKey, statement } from "../../platform/db/index.js";

/** What a job of a repeatable call is kept by. It travels as JSON, the hash in hex digits. */
export interface JobKey {
  scope: string;
  key: string;
  hash: string;
  job: string;
}

/** Takes the keys of a call's jobs; those that were used before are left out. */
export const claimKeys = statement<{ rows: JobKey[]; at: Date }, { resourceId: string }>((p) =>
  claimKey(sql`jsonb_to_recordset(${p.rows}::jsonb) as r(scope text, key text, hash text, job uuid)`, {
    scope: sql`r.scope`,
    key: sql`r.key`,
    requestHash: sql`decode(r.hash, 'hex')`,
    resourceId: sql`r.job`,
    at: p.at,
  }),
);
