/** What the bus carries when the rules of a topic may have changed their mind: its streams ask them again, on every node. */
export const RECHECK = "events.recheck";

/** Whose rules those are. */
export interface Recheck {
  /** The name of a topic, such as `room/7`; every topic when it is absent. */
  readonly topic?: string;
}
