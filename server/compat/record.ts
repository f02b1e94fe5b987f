import { DomainError } from "../kernel/errors.js";
import type { Given } from "./given.js";

/** A row as the predecessor shows it: columns without a value are left out. */
export function record(columns: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined && value !== ""));
}

/** The columns of a row that `_select` names; all of them when it does not stand there. */
export function only(row: object, given: Given): object {
  if (!given.has("_select")) return row;
  const chosen = new Set(given.list("_select"));
  return Object.fromEntries(Object.entries(row).filter(([name]) => chosen.has(name)));
}

/**
 * Throws UNKNOWN_COLUMN for a column that `_select` names and no such row has, COLUMN_FORBIDDEN for one that is not `shown` of rows that
 * are about others.
 */
export function checkSelect(given: Given, columns: readonly string[], shown = columns): void {
  for (const name of given.list("_select")) {
    if (!columns.includes(name)) {
      throw new DomainError("UNKNOWN_COLUMN", `There is no column ${name} here.`, { field: "_select" });
    }
    if (!shown.includes(name)) throw forbiddenColumn(name);
  }
}

/** What whoever asks for a column of others that is not public is told, as by lists. */
export function forbiddenColumn(name: string): DomainError {
  const message = `The column ${name} of others may not be read, filtered or sorted by.`;
  return new DomainError("COLUMN_FORBIDDEN", message, { field: "_select", metadata: { column: name } });
}

/** A page of rows. `count` is how many stand in it. */
export function page(data: readonly object[], nextToken: string): object {
  return { count: data.length, data, next_token: nextToken };
}
