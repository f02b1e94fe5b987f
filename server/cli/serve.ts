import cluster from "node:cluster";
import type { Overrides, Started } from "../app.js";
import type { Config } from "../config.js";
import { type Running, runServer, runUntilSignal } from "../main.js";
import { loadAppCode, runWithCode } from "./app-code.js";
import { explainStart } from "./start-errors.js";
import { createCrew } from "./workers/crew.js";
import { runWorker } from "./workers/worker.js";

interface ServeFlags {
  json?: true;
}

/** What is said when several processes were asked for and one runs. */
export const ONE_PROCESS = "the setting workers is for `backstay serve`; this is one process";

/** Runs the server, in as many processes as are asked for, until a signal ends it. */
export async function runServe(config: Config, flags: ServeFlags): Promise<void> {
  if (cluster.isWorker) return runWorker(config);
  endWithParent();
  if (config.workers > 1) return runCrew(config, flags);
  await runWithCode(await loadAppCode(process.cwd()), (declared) => startServe(config, flags, declared));
}

/** Whoever started this process with a line to it, as `backstay cluster` does, and is gone, takes it along. */
function endWithParent(): void {
  if (!process.connected) return;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  // The line alone keeps nothing alive.
  process.channel?.unref();
}

/** Starts a server of one process; prints what it uses and then the ready line. */
export async function startServe(config: Config, flags: ServeFlags, overrides?: Overrides): Promise<Running> {
  const running = await runServer(config, overrides).catch((error) => explainStart(error, config));
  print(config, flags, running.started);
  return running;
}

async function runCrew(config: Config, flags: ServeFlags): Promise<void> {
  const crew = createCrew(config);
  const { started, stop, ended } = await runUntilSignal(crew).catch((error) => explainStart(error, config));
  print(config, flags, started);
  const error = await crew.over;
  await stop();
  await ended;
  if (error) throw error;
}

function print(config: Config, flags: ServeFlags, started: Omit<Started, "control">): void {
  const { url, database, bus, notes, setupUrl } = started;
  if (flags.json || !process.stdout.isTTY) {
    const workers = config.workers > 1 ? config.workers : undefined;
    console.log(JSON.stringify({ version: config.version, database, bus, workers, notes, setupUrl }));
  } else {
    console.log(`backstay ${config.version}\n  database  ${database}\n  bus       ${bus}`);
    for (const note of notes) console.log(`  note      ${note}`);
    if (setupUrl) console.log(`  admin     ${setupUrl}   (works once, for 30 minutes)`);
  }
  console.log(flags.json ? JSON.stringify({ ready: true, url }) : `backstay ready ${url}`);
}
