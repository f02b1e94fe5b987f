import { DomainError } from "../kernel/errors.js";
import type { Given } from "./given.js";

/** What chooses rows of a list: a path that takes none of it must not do to all of them what was meant for some. */
const CHOOSING = ["_keys", "_ops", "_count", "_start", "_page", "_token"];

/**
 * For paths that delete: what is given says wholly what goes. Neither a variable that happens to be empty nor a condition that is none
 * may change that. Throws INVALID_FIELD, UNKNOWN_COLUMN; `says` begins what the caller is told.
 */
export function checkExact(given: Given, names: readonly string[], says: string): void {
  notEmpty(given, ...names);
  const isOther = (name: string) => !names.includes(name);
  const other = given.columns.find(isOther) ?? CHOOSING.find((name) => given.has(name));
  if (other !== undefined) throw new DomainError("UNKNOWN_COLUMN", `${says}, not by ${other}.`, { field: other });
}

/** Throws INVALID_FIELD for a parameter that stands there without a value. */
export function notEmpty(given: Given, ...names: readonly string[]): void {
  for (const name of names) if (given.stands(name)) given.needed(name);
}

/** For paths that are about the caller alone: whoever names another must not be taken to mean himself. Throws NOT_YOUR_ACCOUNT. */
export function ownOnly(given: Given, name = "id"): void {
  if (given.isOwn(name)) return;
  const message = `The parameter ${name} names another account, and this is about the caller's own.`;
  throw new DomainError("NOT_YOUR_ACCOUNT", message, { field: name });
}

/** The same for paths that change something, where a variable that happens to be empty names nobody. Throws INVALID_FIELD besides. */
export function ownChange(given: Given, name = "id"): void {
  notEmpty(given, name);
  ownOnly(given, name);
}
