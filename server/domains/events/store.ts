import { type SQL, sql } from "drizzle-orm";
import { claimKey, type KeyInput, type Parameters, statement } from "../../platform/db/index.js";
import { type NewEvent, recordFrom } from "../../platform/events/index.js";
import { existingAccount } from "../accounts/index.js";

export interface NewPublication extends NewEvent {
  /** The account whose topic it is, which must exist; undefined for a topic that is nobody's. */
  ownerId: string | undefined;
}

/** What became of it: whether there is such an account, and whether the event was written now, or with an earlier call. */
export interface Published {
  hasOwner: boolean;
  isNew: boolean;
}

function owner(p: Parameters<NewPublication>): SQL {
  return sql`select 1 as once where ${p.ownerId}::uuid is null or exists (${existingAccount(p.ownerId)})`;
}

/** The event; `gate` is the row that lets it happen. */
function append(gate: SQL, p: Parameters<NewPublication>): SQL {
  return sql`told as (${recordFrom(gate, p)})
    select exists (select 1 from owner) as has_owner, exists (select 1 from ${gate}) as is_new`;
}

/** Writes an event to the log's outbox: one statement, one commit. */
export const appendEvent = statement<NewPublication, Published>(
  (p) => sql`with owner as (${owner(p)}), ${append(sql`owner`, p)}`,
);

/** The same unless the key was used before: then it writes nothing. */
export const appendEventOnce = statement<NewPublication & KeyInput, Published>(
  (p) => sql`with owner as (${owner(p)}), claimed as (${claimKey(sql`owner`, p)}), ${append(sql`claimed`, p)}`,
);
