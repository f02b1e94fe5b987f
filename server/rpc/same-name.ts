import type { Caller } from "../kernel/caller.js";
import { parseId } from "../kernel/ids.js";

/** Whether two texts name the same to who calls: an id in each of its spellings, the caller's own also as `me`. */
export function isSameName(caller: Caller, one: string, other: string): boolean {
  if (one === other) return true;
  const ownId = caller.kind === "account" ? caller.accountId : undefined;
  const idOf = (text: string) => (text === "me" ? ownId : parseId(text));
  const id = idOf(one);
  return id !== undefined && id === idOf(other);
}
