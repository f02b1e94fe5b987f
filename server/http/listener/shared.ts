import type { Registry } from "./admission.js";
import type { ListenerCounters, ListenerLimits, ListenerLog, RequestHandler, UpgradeHandler } from "./options.js";

/** What the parts of one listener have in common. */
export interface Shared {
  readonly handler: RequestHandler;
  readonly upgrade?: UpgradeHandler | undefined;
  readonly limits: ListenerLimits;
  readonly log: ListenerLog;
  readonly counters: ListenerCounters;
  readonly registry: Registry;
  readonly phase: { draining: boolean };
}
