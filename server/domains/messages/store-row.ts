import { type SQL, sql } from "drizzle-orm";
import { existingAccount } from "../accounts/index.js";
import { isBlocked } from "../blocks/index.js";

export interface MessageRow {
  id: string;
  senderId: string;
  recipientId: string;
  mtime: bigint;
  text: string;
  createdAt: Date;
  readAt: Date | null;
}

export const columns = sql`id, sender_id, recipient_id, mtime, text, created_at, read_at`;

/**
 * A piece of a larger statement: the account of a recipient, held as the first of all, as who deletes it does. His counters, when
 * they are made, and his messages hold it too, at last: the two would wait for each other.
 */
export function heldRecipient(recipientId: SQL): SQL {
  return sql`${existingAccount(recipientId)} for key share`;
}

/**
 * Whether a recipient's lists show what a sender has sent. Each row is asked on its way (`is not true`): a join, which `not` would
 * become, goes through all whom the recipient has blocked for each, or sorts a whole inbox for a page of it.
 */
export function isShown(recipientId: SQL, senderId: SQL): SQL {
  return sql`${isBlocked(recipientId, senderId)} is not true`;
}
