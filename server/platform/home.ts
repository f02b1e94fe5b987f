import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, startTimeOf } from "./process.js";

/** The folder of an installation on this machine. */
export interface Home {
  readonly path: string;
  /** The instance key: 32 random bytes, made at the first start. */
  secret(): Buffer;
  /** The same where one was made before. Throws when it is not there: what has gone for a moment must not be made anew. */
  keptSecret(): Buffer;
  /** Those whose place it has taken, and which are still accepted: etc/secret.previous has one a line. */
  previousSecrets(): Buffer[];
  /** The token of the local command line, made at the first start. */
  adminToken(): string;
  logFile(): string;
  /** Where crons may be written down; the file need not be there. */
  crontab(): string;
  /** Takes the home for this process. Throws HomeTaken when another one runs on it. */
  take(): void;
  /** Tells others where this process listens. */
  announce(url: string): void;
  /** Gives the home back. */
  release(): void;
}

/** Another process runs on this home. */
export class HomeTaken extends Error {
  override readonly name = "HomeTaken";
  constructor(
    readonly pid: number,
    readonly url: string,
  ) {
    super(`this home is in use by process ${pid}${url && ` at ${url}`}`);
  }
}

/** Opens (and on the first use makes) a home. Its folders can be searched, its secrets read by their owner only. */
export function openHome(path: string): Home {
  for (const folder of ["", "etc", "var", "log", "tmp"]) {
    const at = join(path, folder);
    mkdirSync(at, { recursive: true, mode: 0o711 });
  }
  chmodSync(join(path, "etc"), 0o700);
  const pidFile = join(path, "tmp", "server.json");
  let mine = false;

  return {
    path,
    secret: () => fromHex(keep(join(path, "etc", "secret"), drawSecret)),
    keptSecret: () => fromHex(readKept(join(path, "etc", "secret"))),
    previousSecrets: () => readLines(join(path, "etc", "secret.previous")).map(fromHex),
    adminToken: () => keep(join(path, "etc", "admin.token"), () => `bs_op_${randomBytes(32).toString("base64url")}`),
    logFile: () => join(path, "log", "backstay.log"),
    crontab: () => join(path, "etc", "crontab"),
    take() {
      const other = takeFile(pidFile);
      if (other !== undefined) throw new HomeTaken(other.pid, other.url);
      mine = true;
    },
    announce(url) {
      writePrivate(`${pidFile}.new`, JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid), url }));
      renameSync(`${pidFile}.new`, pidFile);
    },
    release() {
      if (mine) rmSync(pidFile, { force: true });
      mine = false;
    },
  };
}

/** The server that runs on a home, if one does. */
export function readRunning(path: string): { pid: number; url: string } | undefined {
  const owner = ownerOf(join(path, "tmp", "server.json"));
  return owner === "dead" ? undefined : owner;
}

/** Whose file this is: a process that runs, a dead one's, or nobody's since there is none. */
function ownerOf(file: string): { pid: number; url: string } | "dead" | undefined {
  try {
    const { pid, started, url } = JSON.parse(readFileSync(file, "utf8"));
    // A pid is used again in time; the time its process began is not.
    const alive = typeof pid === "number" && isAlive(pid) && startTimeOf(pid) === started;
    return alive ? { pid, url: typeof url === "string" ? url : "" } : "dead";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : "dead";
  }
}

/** Reads the token of the local command line, if the home has one. */
export function readAdminToken(path: string): string | undefined {
  const file = join(path, "etc", "admin.token");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

/** Does `work` while no other process does what the same file stands for. Throws when one does. */
export function alone<T>(file: string, work: () => T): T {
  const other = takeFile(file);
  if (other !== undefined) throw new Error(`process ${other.pid} is doing that just now`);
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Writes this process into a file that nobody has; answers who has it otherwise. */
function takeFile(file: string): { pid: number; url: string } | undefined {
  while (!tryTake(file)) {
    const other = ownerOf(file);
    if (other !== undefined && other !== "dead") return other;
    clearStale(file);
  }
  return undefined;
}

function tryTake(pidFile: string): boolean {
  const draft = `${pidFile}.${process.pid}`;
  writePrivate(draft, JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid), url: "" }));
  // A link is made whole or not at all, so nobody ever reads half a file.
  return link(draft, pidFile);
}

/**
 * Removes the file of a dead process. One process at a time does: between its look and its removal the home could be taken,
 * and would be taken twice. While the file is there nobody can take it, and nobody else removes it.
 */
function clearStale(pidFile: string): void {
  const lock = `${pidFile}.lock`;
  if (!tryTake(lock)) {
    if (ownerOf(lock) === "dead") rmSync(lock, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return;
  }
  try {
    if (ownerOf(pidFile) === "dead") rmSync(pidFile, { force: true });
  } finally {
    rmSync(lock, { force: true });
  }
}

/** A new instance key, as its files have it. */
export function drawSecret(): string {
  return randomBytes(32).toString("hex");
}

function fromHex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

function readLines(file: string): string[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

/** What a file says; when there is none, what is made for it. Throws when it is empty. */
export function keep(file: string, make: () => string): string {
  if (!existsSync(file)) {
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, `${make()}\n`, { mode: 0o600, flush: true });
    // Whole or not at all: who is killed here, or comes second, must not leave or read an empty secret.
    link(draft, file);
  }
  return readKept(file);
}

function readKept(file: string): string {
  const text = readFileSync(file, "utf8").trim();
  if (text === "") throw new Error(`${file} is empty: restore it, or remove it to have a new one made`);
  return text;
}

/** Gives a draft its name, unless something has it; answers whether it did. The draft is gone afterwards. */
function link(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function writePrivate(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 });
}
