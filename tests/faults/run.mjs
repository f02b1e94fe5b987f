/** `npm run faults -- NAME`: the long fault runs. Their short forms are tests. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const words = ["--import", "tsx", "--conditions", "backstay-source", here("main.ts"), ...process.argv.slice(2)];
const child = spawn(process.execPath, words, { cwd: here("../.."), stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("close", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
