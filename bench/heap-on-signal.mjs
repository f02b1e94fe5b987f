/** Loaded into a server under measurement: at SIGUSR2 it collects its garbage and writes what is left into a file of its name. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

process.on("SIGUSR2", () => {
  globalThis.gc();
  writeFileSync(join(tmpdir(), `backstay-heap-${process.pid}`), String(process.memoryUsage().heapUsed));
});
