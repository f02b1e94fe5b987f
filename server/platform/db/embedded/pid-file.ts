import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive, statOf } from "../../process.js";

/** What a running server says of itself in postmaster.pid. */
export interface PidFile {
  readonly pid: number;
  readonly port: number;
  /** Empty until the server listens. */
  readonly socketDir: string;
  /** starting, stopping, ready or standby; empty in the first moments. */
  readonly status: string;
}

/** Reads postmaster.pid; undefined when there is none or it has not been written yet. */
export function readPidFile(dataDir: string): PidFile | undefined {
  const text = readPidText(dataDir);
  if (!text) return undefined;
  const [pid, , , port, socketDir, , , status] = text.split("\n");
  return { pid: Number(pid), port: Number(port), socketDir: socketDir ?? "", status: (status ?? "").trim() };
}

function readPidText(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, "postmaster.pid"), "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Removes a pid file that names `pid`, or an empty one for pid 0; one that was replaced meanwhile stays. */
export function removePidFile(dataDir: string, pid: number): void {
  if ((readPidFile(dataDir)?.pid ?? 0) === pid) rmSync(join(dataDir, "postmaster.pid"), { force: true });
}

/** Whether the file is there but empty: a server in its first microsecond, or one that lost power in it. */
export function isPidFileEmpty(dataDir: string): boolean {
  return readPidText(dataDir) === "";
}

/** Whether `pid` runs and really is the server of this data folder: after a reboot the number may be anybody's. */
export function isServerOf(pid: number, dataDir: string): boolean {
  if (!isRunning(pid)) return false;
  if (process.platform !== "linux") {
    const { stdout } = spawnSync("ps", ["-p", String(pid), "-o", "command="], { encoding: "utf8" });
    return stdout.includes("postgres") && stdout.includes(dataDir);
  }
  try {
    return commandOf(pid).includes("postgres") && worksIn(pid, dataDir);
  } catch {
    return false;
  }
}

/** Whether `pid` runs; a zombie, which nobody may ever collect in a container, does not. */
export function isRunning(pid: number): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform !== "linux") return true;
  try {
    return !/^[ZX]/.test(statOf(pid));
  } catch {
    return false;
  }
}

/**
 * The processes that work in a data folder although its server is dead: backends that outlived it and, with `servers`, a server
 * that its pid file does not name. They hold its shared memory, which keeps a new one from starting. Known on Linux only.
 */
export function strayProcesses(dataDir: string, servers: boolean): number[] {
  if (process.platform !== "linux") return [];
  const named = readPidFile(dataDir)?.pid;
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        if (!(pid > 0) || pid === named || !isServerOf(pid, dataDir)) return false;
        return commandOf(pid).startsWith("postgres: ") ? !isServerOf(parentOf(pid), dataDir) : servers;
      } catch {
        return false;
      }
    });
}

function parentOf(pid: number): number {
  return Number(statOf(pid).split(" ")[1]);
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8");
}

/** A server works in its data folder, even when that was deleted under it. */
function worksIn(pid: number, dataDir: string): boolean {
  const folder = readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, "");
  return folder === dataDir || (existsSync(dataDir) && folder === realpathSync(dataDir));
}
