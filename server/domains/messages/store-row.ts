import { type SQL, sql } from "drizzle-orm";
import { existingAccount } from "../accounts/index.js";

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
