/**
 * `npm run bench`: measures on Node 24 when it is at hand (`node bench/get-node24.mjs` brings it), else on this Node.
 * `npm run bench -- NAME` of fanout, streams, nodes, soak, jobs, cache, sign-in and social measures what its name says.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { findNode, ROOT } from "./node24.mjs";

const OTHERS = ["fanout", "streams", "nodes", "soak", "jobs", "cache", "sign-in", "social"];
const script = OTHERS.includes(process.argv[2]) ? process.argv[2] : "main";
const args = ["--import", "tsx", join(ROOT, `bench/${script}.ts`), ...process.argv.slice(2)];
const child = spawn(findNode(), args, { cwd: ROOT, stdio: "inherit" });
// A signal to us goes on to the child, which has servers to stop.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("close", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
