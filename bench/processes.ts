import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A server under measurement. */
export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Milliseconds from its spawn to its ready line. */
  readonly startMs: number;
  /** Ends it by SIGTERM; to be called once. */
  stop(): Promise<void>;
}

const PATIENCE_MS = 60_000;

/** Starts a server on the Node that runs this, and waits for the line in which it names its port. */
export async function startServer(args: string[]): Promise<Server> {
  const began = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: Ctrl-C reaches us, and we end it once and in order.
    detached: true,
  });
  const kill = () => child.kill("SIGKILL");
  // A bench that fails where nobody stops its servers takes them along.
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void ended.then(() => process.removeListener("exit", kill));
  const port = await readyPort(child, args[0] ?? "").catch(async (error) => {
    child.kill("SIGTERM");
    await ended;
    throw error;
  });
  return {
    pid: child.pid!,
    port,
    startMs: performance.now() - began,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function readyPort(child: ChildProcess, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let out = "";
    let complaints = "";
    const timer = setTimeout(() => reject(new Error(`${name} is not ready after ${PATIENCE_MS} ms`)), PATIENCE_MS);
    child.stdout!.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      const port = /^(?:backstay )?ready (?:http:\/\/[\d.]+:)?(\d+)$/m.exec(out)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
    child.stderr!.on("data", (chunk: Buffer) => {
      complaints = (complaints + chunk.toString()).slice(-2000);
    });
    child.once("close", () => reject(new Error(`${name} ended before it was ready: ${complaints}`)));
  });
}

/** Ours without settings of Backstay that a shell may hold. */
function environment(): NodeJS.ProcessEnv {
  const isSetting = (name: string) => name.startsWith("BACKSTAY_") || name === "DATABASE_URL";
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isSetting(name)));
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  return kib(`/proc/${pid}/status`, /^VmRSS:\s+(\d+)/m) / 1024;
}

/** Memory of a PostgreSQL server, shared pages counted once, in MiB. */
export function databaseMiB(postmaster: number): number {
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "latin1").trim().split(" ");
  return [postmaster, ...children].reduce<number>((sum, pid) => sum + proportionalMiB(pid), 0);
}

/** What a PostgreSQL server has used of the processors, in seconds: all its processes but those that have ended. */
export function databaseSeconds(postmaster: number): number {
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, "latin1").trim().split(" ");
  return children.reduce((sum, pid) => sum + processorSeconds(pid), 0);
}

/** The kernel counts exactly and shows hundredths; 0 for a process that has ended. */
function processorSeconds(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

/** 0 for a process that has ended, as workers of the database do at any time. */
function proportionalMiB(pid: number | string): number {
  try {
    return kib(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+)/m) / 1024;
  } catch {
    return 0;
  }
}

function kib(file: string, field: RegExp): number {
  return Number(field.exec(readFileSync(file, "latin1"))?.[1] ?? 0);
}
