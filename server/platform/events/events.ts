/** An event of the log, as the relay hands it out, or one of the moment. */
export interface LoggedEvent {
  /** Its place in the log; 0 when it is of the moment only and stands in none. */
  readonly offset: number;
  readonly topic: string;
  readonly id: string;
  readonly type: string;
  readonly actorId: string | null;
  /** Proto JSON of the resource, still text: most events have no reader here. */
  readonly data: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** How far what is committed is ahead of what was handed out. */
export interface EventLag {
  /** Milliseconds since the oldest event was committed that is not in the log yet. */
  outboxMs: number;
  /** Events of the log that were not handed to this node's streams yet. */
  behind: number;
  /** Events that this node is to carry to the others and cannot, and milliseconds since it should have. */
  uncarried: number;
  uncarriedMs: number;
}

/** The part of the event log that runs: the relay and what streams need to know of it. */
export interface EventLog {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Says that something was committed to the outbox; returns at once. */
  wake(): void;
  /** Every event up to this offset has been handed to the streams of this node. */
  published(): number;
  /** Names this log; drawn when it was made. */
  epoch(): string;
  /** Calls `listener` with every event of a topic from now on, in the log's order; returns what ends it. */
  subscribe(topic: string, listener: (event: LoggedEvent) => void): () => void;
  /** Brings something of the moment to the streams of its topic on every node. It may be lost, and is kept nowhere. */
  tell(event: Omit<LoggedEvent, "offset">): void;
  /**
   * Drops what is kept of an erased topic besides the log. Only for a topic that no other stands below, such as an account's.
   * Rejects when that is away, or what was said before is still on its way there; an event after the erasure makes that arrive.
   */
  forget(topic: string): Promise<void>;
  lag(): EventLag;
  /** Counts a stream of `owner`; returns what ends it. Throws TOO_MANY_STREAMS above `max`. */
  enter(owner: string, max: number): () => void;
}

/** The topic every account has of its own. */
export function accountTopic(accountId: string): string {
  return `account/${accountId}`;
}

const WITHHELD = "system/withheld/";

/**
 * Where an event of an account stands that whom it concerns is not to hear of, so that the log moves on by as much as if he did: who
 * counts places learns nothing. It is the server's own, which administrators alone may follow.
 */
export function withheldTopic(actorId: string): string {
  return WITHHELD + actorId;
}

/** Whose topic of what is withheld from others it is; undefined for a topic of another kind. */
export function accountOfWithheld(topic: string): string | undefined {
  return topic.startsWith(WITHHELD) ? topic.slice(WITHHELD.length) : undefined;
}
