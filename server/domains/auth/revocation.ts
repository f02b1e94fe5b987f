import type { EraseCtx, Ports } from "../../context.js";
import type { Caller } from "../../kernel/caller.js";
import type { NewEvent } from "../../platform/events/index.js";

/** Here at once, by the bus; on the other nodes by the event log, which every node follows. */
const SUBJECT = "auth.revoked";
const TOPIC = "system/revocations";
const TYPE = "auth.revoke";

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
export function revocationEvent(ctx: EraseCtx, what: Revocation): NewEvent {
  return {
    eventId: ctx.ids.next(),
    topics: [TOPIC],
    eventType: TYPE,
    actorId: ctx.caller.kind === "account" ? ctx.caller.accountId : undefined,
    eventData: what,
    at: ctx.clock.now(),
  };
}

/** The streams of this node by whose sign-in they stand or fall: a revocation looks at those of its account only. */
interface Listening {
  readonly families: Map<string, Set<() => void>>;
  readonly accounts: Map<string, Set<Entry>>;
}

interface Entry {
  readonly familyId: string | undefined;
  readonly listener: () => void;
}

const listening = new WeakMap<object, Listening>();

/** Calls `listener` when the caller's sign-in is revoked anywhere; returns what ends it. */
export function onRevoked(ports: Pick<Ports, "bus" | "events">, caller: Caller, listener: () => void): () => void {
  if (caller.kind !== "account") return () => {};
  const { accountId, familyId } = caller;
  const { families, accounts } = listeningOn(ports);
  const ends = [addTo(accounts, accountId, { familyId, listener })];
  if (familyId !== undefined) ends.push(addTo(families, familyId, () => listener()));
  return () => {
    for (const end of ends) end();
  };
}

function listeningOn({ bus, events }: Pick<Ports, "bus" | "events">): Listening {
  const known = listening.get(bus);
  if (known !== undefined) return known;
  const made: Listening = { families: new Map(), accounts: new Map() };
  listening.set(bus, made);
  bus.subscribe(SUBJECT, (message) => tell(made, message as Revocation));
  events.subscribe(TOPIC, ({ type, offset, data }) => {
    // Others may say something in the topic; only what was committed with a revocation is one.
    if (type === TYPE && offset > 0) tell(made, JSON.parse(data) as Revocation);
  });
  return made;
}

function tell({ families, accounts }: Listening, { familyId, accountId, exceptFamilyId }: Revocation): void {
  for (const listener of [...(families.get(familyId ?? "") ?? [])]) listener();
  for (const entry of [...(accounts.get(accountId ?? "") ?? [])]) {
    if (exceptFamilyId === undefined || exceptFamilyId !== entry.familyId) entry.listener();
  }
}

function addTo<T>(sets: Map<string, Set<T>>, key: string, entry: T): () => void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(entry));
  return () => {
    set.delete(entry);
    if (set.size === 0 && sets.get(key) === set) sets.delete(key);
  };
}
