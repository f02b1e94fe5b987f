import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BIN = join(ROOT, "server/cli/bin.mjs");

/** No process of a test outlives this, whatever happens to the test, unless it says so. */
const LIFETIME_MS = 120_000;

/** How the process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A `backstay` command in a process of its own. */
export interface Backstay {
  readonly pid: number;
  readonly exit: Promise<Exit>;
  /** Whether it has not ended. */
  isRunning(): boolean;
  /** The lines it has printed so far. */
  lines(): string[];
  stderr(): string;
  /** Resolves with the first line that `wanted` takes; rejects when the process ends without it. */
  line(wanted: (line: string) => boolean): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Kills the process as a crash does, and resolves when it is gone. */
  kill9(): Promise<void>;
}

/** A server that has said it is ready. */
export interface Server extends Backstay {
  readonly url: string;
  /** What it told of itself, the JSON line before the ready line. */
  readonly facts: Facts;
}

export interface Facts {
  version: string;
  database: string;
  setupUrl?: string;
  home?: string;
  workers?: number;
  bus?: string;
  demo?: { login: string; id: string; token: string }[];
}

export interface HowToRun {
  env?: Record<string, string>;
  /** Where it runs; the checkout by default. */
  cwd?: string;
  /** What it reads from standard input; nothing by default. */
  input?: string;
  /** Flags of node itself. */
  nodeFlags?: string[];
  /** How long it may live, in milliseconds. */
  lifetimeMs?: number;
  /** What runs in place of this checkout's `backstay`: the words after `node`. */
  program?: string[];
  /** What runs in place of `node`. */
  executable?: string;
}

const running = new Set<ChildProcess>();
const homes = new Set<string>();

/** Makes a folder for a home, which the database's user can enter; its name has `word` in it. */
export async function makeHome(word = ""): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), `backstay-acceptance-${process.pid}-${word}`));
  await chmod(home, 0o711);
  homes.add(home);
  return home;
}

/** Runs `backstay` with these words. */
export function run(
  words: string[],
  {
    env = {},
    cwd = ROOT,
    input,
    nodeFlags = [],
    lifetimeMs = LIFETIME_MS,
    program = [BIN],
    executable = process.execPath,
  }: HowToRun = {},
): Backstay {
  const child = spawn(executable, [...nodeFlags, ...program, ...words], {
    cwd,
    env: { ...cleanEnvironment(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: lifetimeMs,
    killSignal: "SIGKILL",
  });
  running.add(child);
  child.stdin.on("error", () => {}).end(input ?? "");
  const out = collect(child.stdout);
  const errors = collect(child.stderr);
  let ended: Exit | undefined;
  const exit = new Promise<Exit>((resolve) => {
    child.once("close", (code, signal) => {
      ended = { code, signal };
      running.delete(child);
      resolve(ended);
    });
  });
  const lines = () => out.text().split("\n").slice(0, -1);
  return {
    pid: child.pid!,
    exit,
    isRunning: () => ended === undefined,
    lines,
    stderr: errors.text,
    line: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines().find(wanted);
          if (found === undefined) return false;
          resolve(found);
          return true;
        };
        if (look()) return;
        const leave = out.onText(() => look() && leave());
        void exit.then((how) => reject(new Error(`ended (${how.code ?? how.signal}) before that: ${errors.text()}`)));
      }),
    signal: (name) => void child.kill(name),
    async kill9() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/** Starts a server and waits until it is ready. */
export async function startServer(words: string[], how: HowToRun = {}): Promise<Server> {
  const backstay = run([...words, "--json"], how);
  const ready = await backstay.line((line) => line.startsWith('{"ready":true'));
  const facts = JSON.parse(backstay.lines().find((line) => line.includes('"version"'))!) as Facts;
  return { ...backstay, url: (JSON.parse(ready) as { url: string }).url, facts };
}

/** For afterAll: ends whatever a test has left, with the databases of its homes, and removes the homes. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...running].map(endProcess));
  await Promise.all([...homes].map(removeHome));
  homes.clear();
}

async function endProcess(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await gone;
}

async function removeHome(home: string): Promise<void> {
  const sockets = databasePid(home) === undefined ? "" : databaseOf(home).host;
  await killDatabase(home);
  if (sockets.includes("backstay-pg-")) await rm(sockets, { recursive: true, force: true });
  await rm(home, { recursive: true, force: true });
}

/** The process number of the embedded database of a home, if its file names one. */
export function databasePid(home: string): number | undefined {
  const file = join(home, "var/postgres/postmaster.pid");
  return existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) : undefined;
}

/** Kills the embedded database of a home as a crash does, with the processes it made, and waits until it is gone. */
export async function killDatabase(home: string): Promise<void> {
  const pid = databasePid(home);
  if (pid === undefined || !isDatabaseOf(pid, home)) return;
  process.kill(pid, "SIGKILL");
  while (isDatabaseOf(pid, home)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Whether the process is a database that works in this home: a number alone may be anybody's. */
export function isDatabaseOf(pid: number, home: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return command.includes("postgres") && command.includes(home);
  } catch {
    return false;
  }
}

/** Where the embedded database of a home listens, as postgres.js takes it. */
export function databaseOf(home: string): { host: string; port: number; user: string; database: string } {
  const [, , , port, host] = readFileSync(join(home, "var/postgres/postmaster.pid"), "utf8").split("\n");
  return { host: host!, port: Number(port), user: "backstay", database: "backstay" };
}

/** Ours without what would configure a Backstay. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const env = Object.entries(process.env).filter(
    ([name]) => !/^(BACKSTAY_|DATABASE_URL|NATS_URL|NODE_ENV|NODE_OPTIONS|VITEST)/.test(name),
  );
  return Object.fromEntries(env);
}

function collect(stream: NodeJS.ReadableStream) {
  let text = "";
  const listeners = new Set<() => void>();
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
    for (const listener of listeners) listener();
  });
  return {
    text: () => text,
    onText(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
