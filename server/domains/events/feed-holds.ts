import type { Ctx } from "../../context.js";
import type { Loss } from "../../kernel/caller.js";
import { DomainError } from "../../kernel/errors.js";
import { checkDepth } from "../../kernel/json-text.js";
import { accountTopic, type LoggedEvent } from "../../platform/events/index.js";
import { onRevoked } from "../auth/index.js";
import type { FollowedTopic } from "./rights.js";

/** What gives back what a feed holds. */
type Exits = (() => void)[];

/** Bytes of JSON. */
const MOST_PRESENCE = 1024;

/** What is said on joining, when it is not too much. Throws PRESENCE_TOO_LARGE, INVALID_FIELD. */
export function checkedPresence(presence: object | undefined): object | undefined {
  if (presence === undefined) return undefined;
  const text = JSON.stringify(presence);
  if (Buffer.byteLength(text) > MOST_PRESENCE) {
    throw new DomainError("PRESENCE_TOO_LARGE", undefined, { field: "presence" });
  }
  checkDepth(text, "presence");
  return presence;
}

/** Takes one of the streams that the caller may have. Throws TOO_MANY_STREAMS. */
export function takePlace({ caller, events, settings }: Ctx, exits: Exits): void {
  const owner = caller.kind === "account" ? caller.accountId : "operator";
  exits.push(events.enter(owner, settings.events.streamsPerAccount));
}

/** Who listens. */
export interface Ears {
  hear(event: LoggedEvent): void;
  end(error?: DomainError): void;
  /** What he may do has become less: he is to come again. */
  leave(): void;
}

/**
 * Listens to the hub, to revocations and to the call's end. There may be ten thousand who do: functions without names of their
 * own are the smallest.
 */
export function listen(ctx: Ctx, topics: readonly string[], exits: Exits, ears: Ears): void {
  for (const topic of topics) exits.push(ctx.events.subscribe(topic, (event) => ears.hear(event)));
  const revoked = (loss: Loss) => (loss === "role" ? ears.leave() : ears.end(new DomainError("TOKEN_REVOKED")));
  exits.push(onRevoked(ctx, ctx.caller, revoked));
  const { signal } = ctx;
  if (signal.aborted) ears.end();
  const listener = new Ending(ears);
  signal.addEventListener("abort", listener, { once: true });
  exits.push(() => signal.removeEventListener("abort", listener));
}

class Ending {
  constructor(private readonly ears: Ears) {}

  handleEvent(): void {
    this.ears.end();
  }
}

/** Says that the caller is there: at all, and in those of the topics that list their followers. */
export function enter(
  { caller, presence }: Ctx,
  followed: readonly FollowedTopic[],
  said: object | undefined,
  exits: Exits,
): void {
  if (caller.kind !== "account") return;
  const { accountId } = caller;
  const own = accountTopic(accountId);
  exits.push(presence.enter(own, accountId));
  for (const topic of followed) if (topic.presence) exits.push(presence.enter(topic.name, accountId, said));
}
