import { sql } from "drizzle-orm";

/** An entry as it is kept. */
export interface EntryRow {
  id: string;
  type: string;
  /** JSON, so that its null is something else than nothing; null where nothing was said. */
  data: string | null;
  createdAt: Date;
}

export const columns = sql`id, type, data::text as data, created_at`;
