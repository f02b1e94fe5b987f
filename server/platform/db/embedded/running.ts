import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../../process.js";
import {
  isPidFileEmpty,
  isRunning,
  isServerOf,
  type PidFile,
  readPidFile,
  removePidFile,
  strayProcesses,
} from "./pid-file.js";
import { probe } from "./probe.js";

/** Tells an operator what happens, with facts for the structured log. */
export type Log = (message: string, facts?: Record<string, unknown>) => void;

/** A server that serves a data folder. */
export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  readonly socketDir: string;
  readonly version: string;
}

/** What looking for a server found: one that serves, or what a dead one left behind. */
export interface Findings {
  readonly server?: RunningServer;
  readonly staleSocketDir?: string;
}

/** How long a server may live without a word before it is taken for stuck. */
const PATIENCE_MS = 10_000;
const POLL_MS = 20;

/**
 * Looks for the server of a data folder, left by a killed process or started by another one. Waits while it starts, recovers or
 * stops; stops one that lives but does not answer within `patience`. Rejects when `signal` aborts.
 */
export async function findRunning(
  dataDir: string,
  log: Log,
  signal: AbortSignal,
  patience = PATIENCE_MS,
): Promise<Findings> {
  let since = Date.now();
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    const file = readPidFile(dataDir);
    if (file ? !isServerOf(file.pid, dataDir) : !isPidFileEmpty(dataDir)) {
      // PostgreSQL sees only that some process has this number, and would refuse to start.
      if (file && isAlive(file.pid)) removePidFile(dataDir, file.pid);
      return file?.socketDir ? { staleSocketDir: file.socketDir } : {};
    }
    const answer = file?.socketDir && file.status !== "stopping" ? await probe(file.socketDir, file.port) : undefined;
    if (file && answer?.kind === "ready") return { server: { ...file, version: answer.version } };
    if (file && answer?.kind === "not-ready") {
      since = Date.now();
      if (!told) log("the database is recovering; waiting for it", { pid: file.pid });
      told = true;
    }
    if (Date.now() - since > patience) {
      if (!file) removePidFile(dataDir, 0);
      else await endStuck(file, dataDir, log);
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function endStuck(file: PidFile, dataDir: string, log: Log): Promise<void> {
  log("a database server left by an earlier process does not answer; stopping it", { pid: file.pid });
  const gone = () => !isServerOf(file.pid, dataDir);
  if (
    await endProcess(file.pid, gone, [
      ["SIGQUIT", 2_000],
      ["SIGKILL", 5_000],
    ])
  )
    return;
  throw new Error(`The database server of ${dataDir} (pid ${file.pid}) does not answer and could not be stopped.`);
}

/**
 * Stops a server in order: fast shutdown, and after 8 s an immediate one, which costs a recovery at the next start and no data.
 * False when it still runs after that.
 */
export async function stopServer(pid: number, isGone: () => boolean = () => !isRunning(pid)): Promise<boolean> {
  return endProcess(pid, isGone, [
    ["SIGINT", 8_000],
    ["SIGQUIT", 1_500],
  ]);
}

/** Ends what a killed server left behind: a backend in the middle of a long computation does not notice its death. */
export function endStrays(dataDir: string, log: Log, servers = false): void {
  for (const pid of strayProcesses(dataDir, servers)) {
    log("ending what a killed database server left behind", { pid });
    send(pid, "SIGQUIT");
  }
}

/** False when the process is gone already. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

async function endProcess(pid: number, isGone: () => boolean, steps: [NodeJS.Signals, number][]): Promise<boolean> {
  for (const [signal, patience] of steps) {
    const deadline = Date.now() + patience;
    // Signalling pid 0 would reach our own group.
    if (isGone() || !(pid > 0)) return true;
    if (!send(pid, signal)) return true;
    while (Date.now() < deadline) {
      await sleep(10);
      if (isGone()) return true;
    }
  }
  return false;
}
