import type { Ctx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import { eventSubject, type LoggedEvent, type NewEvent } from "../../platform/events/index.js";

/** Here at once, by the bus; on the other nodes by the event log, which every node follows. */
const SUBJECT = "auth.revoked";
const TOPIC = "system/revocations";

/** What was revoked: one sign-in, or all of an account, or all but the one that asked for it. */
export interface Revocation {
  familyId?: string;
  accountId?: string;
  exceptFamilyId?: string | undefined;
}

export function publishRevocation(bus: Ports["bus"], what: Revocation): void {
  bus.publish(SUBJECT, what);
}

/** The event that tells the other nodes; administrators may follow its topic. */
export function revocationEvent(ctx: Ctx, what: Revocation): NewEvent {
  return {
    eventId: ctx.ids.next(),
    topics: [TOPIC],
    eventType: "auth.revoke",
    actorId: ctx.caller.kind === "account" ? ctx.caller.accountId : undefined,
    eventData: what,
    at: ctx.clock.now(),
  };
}

/** Calls `listener` when the caller's sign-in is revoked anywhere; returns what ends it. */
export function onRevoked(bus: Ports["bus"], caller: Caller, listener: () => void): () => void {
  if (caller.kind !== "account") return () => {};
  const isOurs = ({ familyId, accountId, exceptFamilyId }: Revocation) => {
    if (accountId === caller.accountId) return exceptFamilyId === undefined || exceptFamilyId !== caller.familyId;
    return familyId !== undefined && familyId === caller.familyId;
  };
  const hear = (what: Revocation) => {
    if (isOurs(what)) listener();
  };
  const ends = [
    bus.subscribe(SUBJECT, (message) => hear(message as Revocation)),
    bus.subscribe(eventSubject(TOPIC), (event) => hear(JSON.parse((event as LoggedEvent).data) as Revocation)),
  ];
  return () => {
    for (const end of ends) end();
  };
}
