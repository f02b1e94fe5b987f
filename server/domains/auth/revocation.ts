import type { Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";

type Bus = Ports["bus"];

const SUBJECT = "auth.revoked";

/** What was revoked: one sign-in, or all of an account. */
interface Revocation {
  familyId?: string;
  accountId?: string;
}

export function publishRevocation(bus: Bus, what: Revocation): void {
  bus.publish(SUBJECT, what);
}

/** Calls `listener` when the caller's sign-in is revoked anywhere; returns what ends it. */
export function onRevoked(bus: Bus, caller: Caller, listener: () => void): () => void {
  if (caller.kind !== "account") return () => {};
  return bus.subscribe(SUBJECT, (message) => {
    const { familyId, accountId } = message as Revocation;
    if (familyId === caller.familyId || accountId === caller.accountId) listener();
  });
}
