/** Whether this server wants traffic. `/healthz` says that the process lives, `/readyz` that calls will be answered. */
export interface Health {
  /** Calls are answered: started, not stopping, and the database is there. */
  isReady(): Promise<boolean>;
}

/** Asks `probe` at most once a second, and never while the server is not `open`. */
export function createHealth(open: () => boolean, probe: () => Promise<unknown>): Health {
  let asked = 0;
  let last: Promise<boolean> = Promise.resolve(false);
  return {
    async isReady() {
      if (!open()) return false;
      if (performance.now() - asked > 1_000) {
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
