import type { Db } from "./db.js";

/** What is prepared stays on every connection, for good. */
const MOST_PREPARED = 1_000;
const prepared = new Set<string>();

/** Runs a statement of an app. One that makes up its texts fills no memory with them: so many are prepared, the rest run once. */
export function runAppStatement<Row>(db: Db, text: string, values: readonly unknown[] = []): Promise<Row[]> {
  return db.run<Row>(text, values, isPrepared(text) ? "prepared" : "once");
}

function isPrepared(text: string): boolean {
  if (prepared.size < MOST_PREPARED) prepared.add(text);
  return prepared.has(text);
}
