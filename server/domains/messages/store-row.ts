import { sql } from "drizzle-orm";

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
