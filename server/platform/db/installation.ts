import { type SQL, sql } from "drizzle-orm";
import type { InstanceKey } from "../../kernel/instance-key.js";
import type { Db } from "./db.js";
import { installation } from "./schema.js";
import { statement } from "./statement.js";

const claim = statement<{ fingerprint: string }, { name: string; keyFingerprint: string }>(
  (p) => sql`with claimed as (
      insert into ${installation} (name, key_fingerprint) values (${p.fingerprint}::text, ${p.fingerprint}::text)
      on conflict do nothing
      returning name, key_fingerprint
    )
    select name, key_fingerprint from claimed union all select name, key_fingerprint from ${installation}`,
);

/**
 * Refuses data that was written with another instance key: its tokens and cursors would all be strangers here, and its seals never
 * open. Answers the installation's name, by which its nodes know each other; it stays when the key changes.
 */
export async function checkInstallation(
  ctx: { readonly db: Db },
  key: Pick<InstanceKey, "fingerprint" | "previous">,
): Promise<string> {
  const [row] = await claim(ctx, { fingerprint: key.fingerprint });
  // Two first starts at once: the one that waited sees no row in its snapshot, and the other's in the next.
  const known = row ?? (await claim(ctx, { fingerprint: key.fingerprint }))[0];
  if (known === undefined || ![key.fingerprint, ...key.previous].includes(known.keyFingerprint)) {
    throw new Error("the database belongs to an installation with another instance key: give its BACKSTAY_SECRET");
  }
  return known.name;
}

/** The name of the key that all this data can be read with. */
export const readFingerprint = statement<object, { keyFingerprint: string }>(
  () => sql`select key_fingerprint from ${installation}`,
);

/** A piece of a larger statement: from now on nobody needs another key than this one, if that is so. */
export function adoptKey(fingerprint: SQL, condition: SQL): SQL {
  return sql`update ${installation} set key_fingerprint = ${fingerprint}::text
    where key_fingerprint <> ${fingerprint}::text and ${condition}
    returning name`;
}
