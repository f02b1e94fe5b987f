import type { EraseCtx, Ports } from "../../context.js";
import type { Caller, Loss } from "../../kernel/caller.js";
import type { NewEvent } from "../../platform/events/index.js";
import { type Asked, lossesOf } from "./standing.js";

/** Here at once, by the bus; on the other nodes by the event log, which every node follows. */
const SUBJECT = "auth.revoked";
const TOPIC = "system/revocations";
const TYPE = "auth.revoke";

/**
 * What was revoked: one sign-in or API key, or all sign-ins of an account, or all but the one that asked for it; or a role of an
 * account.
 */
export interface Revocation {
  familyId?: string;
  apiKeyId?: string;
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

/** Told what the caller has lost; once is enough. */
export type OnLoss = (loss: Loss) => void;

interface Listener extends Asked {
  readonly onLoss: OnLoss;
  isGone: boolean;
}

/** The streams of this node by what they stand or fall by: a revocation asks about those of its account only. */
interface Listening {
  /** By the id of a sign-in, an API key or an account: one is never that of another. */
  readonly byId: Map<string, Set<Listener>>;
  /** Those whose standing is to be looked up. */
  readonly asked: Set<Listener>;
  isLooking: boolean;
}

/** After a look that failed, in milliseconds. */
const LOOK_AGAIN = 100;

const listening = new WeakMap<object, Listening>();

/**
 * Calls `onLoss` when the caller's sign-in is revoked anywhere, or a role of his; returns what ends it. A notice is only a reason to
 * look: what it was about may have come to an end long ago, and the caller have signed in anew since.
 */
export function onRevoked(
  ports: Pick<Ports, "bus" | "events" | "database">,
  caller: Caller,
  onLoss: OnLoss,
): () => void {
  if (caller.kind === "anonymous") return () => {};
  const node = listeningOn(ports);
  const listener = { caller, database: ports.database, onLoss, isGone: false };
  const ids = caller.kind === "account" ? [caller.familyId, caller.accountId] : [];
  const ends = [...ids, caller.apiKeyId].filter((id) => id !== undefined).map((id) => addTo(node.byId, id, listener));
  return () => {
    listener.isGone = true;
    for (const end of ends) end();
  };
}

function listeningOn({ bus, events }: Pick<Ports, "bus" | "events">): Listening {
  const known = listening.get(bus);
  if (known !== undefined) return known;
  const made: Listening = { byId: new Map(), asked: new Set(), isLooking: false };
  listening.set(bus, made);
  bus.subscribe(SUBJECT, (message) => hear(made, message as Revocation));
  events.subscribe(TOPIC, ({ type, offset, data }) => {
    // Others may say something in the topic; only what was committed with a revocation is one.
    if (type === TYPE && offset > 0) hear(made, JSON.parse(data) as Revocation);
  });
  return made;
}

function hear(node: Listening, { familyId, apiKeyId, accountId, exceptFamilyId }: Revocation): void {
  for (const listener of node.byId.get(familyId ?? apiKeyId ?? accountId ?? "") ?? []) {
    const { caller } = listener;
    const isExempt = exceptFamilyId !== undefined && caller.kind === "account" && caller.familyId === exceptFamilyId;
    if (!isExempt) node.asked.add(listener);
  }
  if (!node.isLooking) void look(node);
}

/** Asks the database about all that notices were heard of, until nothing is left to ask; they are told what they lost. */
async function look(node: Listening): Promise<void> {
  node.isLooking = true;
  while (node.asked.size > 0) {
    const batch = [...node.asked].filter(({ isGone }) => !isGone);
    node.asked.clear();
    const losses = await lossesOf(batch).catch(() => undefined);
    for (const [{ onLoss }, loss] of losses ?? []) onLoss(loss);
    if (losses !== undefined) continue;
    for (const listener of batch) node.asked.add(listener);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN).unref());
  }
  node.isLooking = false;
}

function addTo<T>(sets: Map<string, Set<T>>, key: string, entry: T): () => void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(entry));
  return () => {
    set.delete(entry);
    if (set.size === 0 && sets.get(key) === set) sets.delete(key);
  };
}
