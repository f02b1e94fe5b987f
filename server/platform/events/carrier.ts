import type { Bus } from "../bus/bus.js";
import type { LoggedEvent } from "./events.js";

/**
 * Takes the events that this node has numbered to the other nodes. It may lose and repeat and mix them up: the offsets tell,
 * and whoever misses one reads the log.
 */
export interface EventCarrier {
  start(log: CarriedLog): Promise<void>;
  stop(): Promise<void>;
  /** Takes events in the order of the log; never throws, never waits. */
  carry(events: readonly LoggedEvent[]): void;
  /**
   * Drops what is still kept on the way of a topic that no other stands below, such as an account's, and is erased from the log,
   * which goes as far as `head`. Rejects when that cannot be done now.
   */
  forget(topic: string, head: number): Promise<void>;
  /** Whether other nodes get what is carried now. */
  isConnected(): boolean;
  /** What it is to carry and was not confirmed to be carried. */
  behind(): Behind;
}

export interface Behind {
  events: number;
  /** Milliseconds since the oldest of them is to be carried. */
  ms: number;
}

/** The log as a carrier knows it. */
export interface CarriedLog {
  readonly epoch: string;
  /** The log's events after an offset, oldest first: what is to be carried again after an outage. */
  read(range: { after: number; limit: number }): Promise<LoggedEvent[]>;
  /** How far the log goes, as far as this node knows. */
  head(): number;
  /** Events up to this offset are not needed here any more. */
  published(): number;
  /** Takes what another node has carried. */
  receive(events: readonly LoggedEvent[]): void;
  /** Says that the log goes as far as that, when what stands there was not carried whole. */
  reached(offset: number): void;
}

const NOTHING: Behind = { events: 0, ms: 0 };
const SUBJECT = "events.carried";

interface Carried {
  from: string;
  events: LoggedEvent[];
}

/** Carries events as notices of the bus, between the workers of one machine. `self` names this node. */
export function busCarrier(bus: Bus, self: string): EventCarrier {
  let leave = () => {};
  return {
    async start(log) {
      leave = bus.subscribe(SUBJECT, (message) => {
        const { from, events } = message as Carried;
        if (from !== self) log.receive(events);
      });
    },
    async stop() {
      leave();
    },
    carry: (events) => bus.publish(SUBJECT, { from: self, events }),
    forget: async () => {},
    isConnected: () => bus.isConnected(),
    behind: () => NOTHING,
  };
}

/** For a node that knows of no others: if there are some on its database, they find events by looking. */
export const noCarrier: EventCarrier = {
  start: async () => {},
  stop: async () => {},
  carry: () => {},
  forget: async () => {},
  isConnected: () => false,
  behind: () => NOTHING,
};
