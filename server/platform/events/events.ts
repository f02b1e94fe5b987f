/** An event of the log, as the relay hands it out. */
export interface LoggedEvent {
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

/** The part of the event log that runs: the relay and what streams need to know of it. */
export interface EventLog {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Says that something was committed to the outbox; returns at once. */
  wake(): void;
  /** Every event up to this offset has been handed to the bus of this node. */
  published(): number;
  /** Names this log; drawn when it was made. */
  epoch(): string;
  /** Counts a stream of `owner`; returns what ends it. Throws TOO_MANY_STREAMS above `max`. */
  enter(owner: string, max: number): () => void;
}

/** Where the bus carries the events of a topic. */
export function eventSubject(topic: string): string {
  return `events.${topic}`;
}

/** The topic every account has of its own. */
export function accountTopic(accountId: string): string {
  return `account/${accountId}`;
}
