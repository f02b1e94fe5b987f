/** Whether this server wants traffic. `/healthz` says that the process lives, `/readyz` that calls will be answered. */
export interface Health {
  /** Calls are answered: started, not stopping, and the database is there. */
  isReady(): Promise<boolean>;
}

/** How long a good answer is kept: short enough that who follows readiness hears of a change within a second. */
const KEPT_MS = 500;

/** Asks `probe` at most twice a second, and never while the server is not `open`. */
export function createHealth(open: () => boolean, probe: () => Promise<unknown>): Health {
  let asked = 0;
  let last: Promise<boolean> = Promise.resolve(false);
  return {
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
