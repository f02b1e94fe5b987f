import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Binaries } from "./binaries.js";
import { serverEnvironment } from "./cluster.js";
import { readPidFile } from "./pid-file.js";
import type { Place } from "./place.js";
import { type Log, stopServer } from "./running.js";

/** The outcome of starting a server: it is ready, another one has the data folder, or leftovers of a dead one hold its memory. */
export type Launch = { kind: "ready"; server: Postmaster } | { kind: "taken" } | { kind: "held" };

/** A server that we started. */
export interface Postmaster {
  readonly pid: number;
  isGone(): boolean;
  /** Resolves when the server ends, for whatever reason. */
  readonly ended: Promise<string>;
}

/** Where a server is to answer: the socket's folder, and with `listens` also the port of 127.0.0.1. */
export interface ServerAddress {
  readonly socketDir: string;
  readonly port: number;
  readonly listens: boolean;
}

const POLL_MS = 10;
const SLOW_MS = 5_000;
const LOG_BYTES = 10 * 1024 * 1024;

/**
 * Starts a server and waits until it is ready, through a recovery of any length. Throws with the server's own words when it
 * refuses; rejects when `signal` aborts, having stopped it.
 */
export async function launch(
  place: Place,
  binaries: Binaries,
  address: ServerAddress,
  log: Log,
  signal: AbortSignal,
): Promise<Launch> {
  const { fd, offset } = openLog(place.logFile);
  const server = watch(spawnServer(place, binaries, address, fd));
  const begun = Date.now();
  let told = false;
  for (;;) {
    if (server.isGone()) return refusal(await server.ended, place.logFile, offset);
    if (signal.aborted) {
      await stopServer(server.pid, server.isGone);
      signal.throwIfAborted();
    }
    const file = readPidFile(place.dataDir);
    if (file?.pid === server.pid && file.status === "ready") {
      server.unref();
      return { kind: "ready", server };
    }
    if (!told && Date.now() - begun > SLOW_MS) {
      log("the database is still starting; it may be recovering", { pid: server.pid, log: place.logFile });
      told = true;
    }
    await sleep(POLL_MS);
  }
}

function spawnServer(place: Place, binaries: Binaries, address: ServerAddress, output: number): ChildProcess {
  try {
    return spawn(binaries.postgres, ["-D", place.dataDir, ...settings(address)], {
      ...place.user,
      cwd: "/",
      env: serverEnvironment(),
      stdio: ["ignore", output, output],
      // Its own group: Ctrl-C reaches us first, and a kill of ours leaves a server to adopt instead of a torn one.
      detached: true,
    });
  } finally {
    closeSync(output);
  }
}

function settings({ socketDir, port, listens }: ServerAddress): string[] {
  const values = {
    unix_socket_directories: socketDir,
    listen_addresses: listens ? "127.0.0.1" : "",
    port,
    max_connections: 100,
    shared_buffers: "128MB",
    fsync: "on",
    timezone: "UTC",
    log_timezone: "UTC",
    log_line_prefix: "%m [%p] ",
    log_checkpoints: "off",
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

function watch(child: ChildProcess): Postmaster & { unref(): void } {
  let gone = false;
  const ended = new Promise<string>((resolve) => {
    const end = (reason: string) => {
      gone = true;
      resolve(reason);
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(signal ? `ended by ${signal}` : `ended with code ${code}`));
  });
  return { pid: child.pid ?? 0, isGone: () => gone, ended, unref: () => child.unref() };
}

function refusal(reason: string, logFile: string, offset: number): Launch {
  const said = readFileSync(logFile).subarray(offset).toString("utf8");
  // The server of a launcher that was killed in this very moment.
  if (/lock file "postmaster.pid" already exists|could not remove old lock file/.test(said)) return { kind: "taken" };
  if (said.includes("pre-existing shared memory block")) return { kind: "held" };
  const line = said.split("\n").find((text) => text.includes("FATAL:")) ?? said.trim().split("\n").at(-1);
  throw new Error(`The embedded PostgreSQL did not start: ${line || reason} (see ${logFile})`);
}

function openLog(file: string): { fd: number; offset: number } {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES) renameSync(file, `${file}.1`);
  const fd = openSync(file, "a", 0o600);
  return { fd, offset: fstatSync(fd).size };
}
