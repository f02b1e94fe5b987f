import { Worker } from "node:worker_threads";

/** Ends this process within a second once the one that started it is gone, whatever it does. */
export function endWithParent(): void {
  const thread = new Worker(new URL("./guard.mjs", import.meta.url), {
    workerData: { parent: process.ppid },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  thread.unref();
}
