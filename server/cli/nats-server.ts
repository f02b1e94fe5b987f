import { type ChildProcess, execFile, spawn } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "./free-port.js";

/** A private NATS server on loopback, with JetStream. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  /** The number of its process; 0 while none runs. */
  readonly pid: number;
  /** Ends it in order, with everything stored. May be called twice. */
  stop(): Promise<void>;
  /** Kills it as a crash does; resolves when it is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and store, if it does not run. */
  start(): Promise<void>;
}

export interface NatsServerOptions {
  /** Where JetStream keeps its streams; made when missing. */
  storeDir: string;
  /** A free one by default. */
  port?: number;
  /** More flags of the program, such as `--user` or `--tls`. */
  flags?: string[];
}

const run = promisify(execFile);
const CACHE = fileURLToPath(new URL("../../.cache", import.meta.url));
const UNPACKED = join(CACHE, "nats-server");
const START_MS = 10_000;
const STOP_MS = 5_000;

/** Starts a NATS server of this machine's, or of Debian's package. Throws one clear line when there is none. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const program = await findNatsServer();
  const port = options.port ?? (await freePort());
  const flags = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", options.storeDir, ...(options.flags ?? [])];
  let child: ChildProcess | undefined;

  const start = async () => {
    if (child !== undefined) return;
    await mkdir(options.storeDir, { recursive: true });
    child = await launch(program, flags, port);
    const own = child;
    own.once("exit", () => {
      if (child === own) child = undefined;
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    const own = child;
    if (own === undefined) return;
    const gone = goneOf(own);
    own.kill(signal);
    const late = setTimeout(() => own.kill("SIGKILL"), STOP_MS);
    await gone;
    clearTimeout(late);
    child = undefined;
  };

  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    get pid() {
      return child?.pid ?? 0;
    },
    stop: () => end("SIGTERM"),
    kill9: () => end("SIGKILL"),
    start,
  };
}

/** The program: of NATS_SERVER_BIN, of the PATH, or unpacked from Debian's package without installing it. */
export async function findNatsServer(): Promise<string> {
  const given = process.env.NATS_SERVER_BIN;
  if (given) {
    if (isProgram(given)) return given;
    throw new Error("NATS_SERVER_BIN names no program.");
  }
  const found = findInPath() ?? findUnpacked();
  if (found !== undefined) return found;
  try {
    await unpackFromDebian();
  } catch (cause) {
    const message = "No nats-server: install it (Debian: nats-server), or set NATS_SERVER_BIN.";
    throw new Error(`${message} (Unpacking it with apt-get failed: ${firstLine(cause)})`, { cause });
  }
  return findUnpacked()!;
}

function findInPath(): string | undefined {
  // Debian keeps it where only root's PATH looks.
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), "/usr/sbin"];
  return folders.map((folder) => join(folder, "nats-server")).find(isProgram);
}

function findUnpacked(): string | undefined {
  return ["usr/sbin", "usr/bin"].map((folder) => join(UNPACKED, folder, "nats-server")).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Unpacks beside the place and moves it there whole, so that two who do it at once do not meet. */
async function unpackFromDebian(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const draft = await mkdtemp(join(CACHE, "nats-server-draft-"));
  try {
    await download(draft);
    const [deb] = readdirSync(draft).filter((file) => file.endsWith(".deb"));
    if (deb === undefined) throw new Error("apt-get downloaded no package");
    await run("dpkg", ["-x", join(draft, deb), draft]);
    await rm(join(draft, deb));
    await rename(draft, UNPACKED).catch((error) => {
      if (!existsSync(UNPACKED)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function download(folder: string): Promise<void> {
  const get = () => run("apt-get", ["download", "nats-server"], { cwd: folder });
  await get().catch(async (error) => {
    if (process.getuid?.() !== 0) throw error;
    await run("apt-get", ["update"]);
    await get();
  });
}

async function launch(program: string, flags: string[], port: number): Promise<ChildProcess> {
  if (await answers(port))
    throw new Error(`nats-server does not start: port ${port} of 127.0.0.1 is taken by another one`);
  // In a group of its own, so that Ctrl-C reaches us, and we end it when nothing needs it any more.
  const child = spawn(program, flags, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2_000);
  });
  const release = endWithUs(child);
  const gone = goneOf(child).then(release);
  const deadline = Date.now() + START_MS;
  let running = true;
  void gone.then(() => {
    running = false;
  });
  while (!(await answers(port))) {
    if (running && Date.now() < deadline) continue;
    child.kill("SIGKILL");
    await gone;
    throw new Error(`nats-server does not start: ${said.trim().split("\n")[0] || "it says nothing"}`);
  }
  return child;
}

/** Kills it when this process ends, however that happens: a shell waits for our end of its input. Returns what lets it be. */
function endWithUs(child: ChildProcess): () => void {
  const script = 'read -r _; kill -9 "$0"';
  const watcher = spawn("sh", ["-c", script, String(child.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watcher.on("error", () => {});
  watcher.unref();
  return () => watcher.kill("SIGKILL");
}

/** Also when it never began. */
function goneOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
}

/** A NATS server speaks first. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const answer = (yes: boolean) => {
      socket.destroy();
      setTimeout(() => resolve(yes), yes ? 0 : 25);
    };
    socket.once("data", (data) => answer(data.toString("latin1").startsWith("INFO ")));
    socket.once("error", () => answer(false));
    socket.once("close", () => answer(false));
    socket.setTimeout(500, () => answer(false));
  });
}

function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr || message || String(error)).trim().split("\n")[0] ?? "";
}
