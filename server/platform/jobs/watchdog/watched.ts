import type { Runner } from "../runner.js";
import type { Watchdog } from "./watchdog.js";

/** A runner of this process, whose jobs the watchdog knows of while they run. */
export function watched(runner: Runner, dog: Watchdog): Runner {
  return {
    ...runner,
    async run(job, line) {
      const { active, ended } = dog.running(job);
      try {
        return await runner.run(job, { ...line, active });
      } finally {
        ended();
      }
    },
  };
}
