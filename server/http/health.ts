/** Whether this server wants traffic. `/healthz` says that the process lives, `/readyz` that calls will be answered. */
export interface Health {
  /** Calls are answered: started, not stopping, and the database is there. */
  isReady(): Promise<boolean>;
  missing(): Missing;
}

/** What a server that answers calls is without for now. */
export interface Missing {
  /** Such as `nats`; nothing when all is well. */
  away: string[];
  /** Milliseconds that the oldest event waits which other nodes were not told of. */
  eventLagMs: number;
}

/** How long a good answer is kept: short enough that who follows readiness hears of a change within a second. */
const KEPT_MS = 500;

const NOTHING: Missing = { away: [], eventLagMs: 0 };

/** Asks `probe` at most twice a second, and never while the server is not `open`. */
export function createHealth(
  open: () => boolean,
  probe: () => Promise<unknown>,
  missing: () => Missing = () => NOTHING,
): Health {
  let asked = 0;
  let last: Promise<boolean> = Promise.resolve(false);
  return {
    missing,
    async isReady() {
      if (!open()) return false;
      if (performance.now() - asked > KEPT_MS) {
        asked = performance.now();
        last = probe().then(
          () => true,
          () => {
            asked = 0;
            return false;
          },
        );
      }
      return (await last) && open();
    },
  };
}
