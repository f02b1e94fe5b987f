import { sql } from "drizzle-orm";
import type { Db } from "./db.js";
import { installation } from "./schema.js";
import { statement } from "./statement.js";

const claim = statement<{ fingerprint: string }, { keyFingerprint: string }>(
  (p) => sql`with claimed as (
      insert into ${installation} (key_fingerprint) values (${p.fingerprint}::text) on conflict do nothing
      returning key_fingerprint
    )
    select key_fingerprint from claimed union all select key_fingerprint from ${installation}`,
);

/** Refuses data that was written with another instance key: its tokens and cursors would all be strangers here. */
export async function checkInstallation(ctx: { readonly db: Db }, fingerprint: string): Promise<void> {
  const [row] = await claim(ctx, { fingerprint });
  // Two first starts at once: the one that waited sees no row in its snapshot, and the other's in the next.
  const known = row ?? (await claim(ctx, { fingerprint }))[0];
  if (known?.keyFingerprint !== fingerprint) {
    throw new Error("the database belongs to an installation with another instance key: give its BACKSTAY_SECRET");
  }
}
