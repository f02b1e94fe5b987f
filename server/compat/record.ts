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

/** A page of rows. `count` is how many stand in it. */
export function page(data: readonly object[], nextToken: string): object {
  return { count: data.length, data, next_token: nextToken };
}
