import { setTimeout as sleep } from "node:timers/promises";
import { type BinaryPackage, findPackage, prepareBinaries } from "./binaries.js";
import { ensureCluster, OWNER, refuseForeignData } from "./cluster.js";
import { isServerOf } from "./pid-file.js";
import { type Place, preparePlace } from "./place.js";
import { launch, type Postmaster } from "./postmaster.js";
import { ensureDatabase, isInUse, probe } from "./probe.js";
import { endStrays, findRunning, type Log, type RunningServer, stopServer } from "./running.js";
import { clearSocketDir, makeSocketDir, removeSocketDir } from "./socket-dir.js";
import { withStartLock } from "./start-lock.js";

/** Where the embedded server answers. */
export interface EmbeddedAddress {
  /** The folder of its socket; clients take it as host name. */
  host: string;
  port: number;
  user: string;
  database: string;
  dataDir: string;
  /** The server's version, such as 18.4. */
  version: string;
  /** True when the server ran already: left by a killed process, or started by another one of this installation. */
  adopted: boolean;
  /** What an operator should be told, for example that the data is not in the home. */
  note?: string;
}

/** The private PostgreSQL of one home. */
export interface EmbeddedPostgres {
  /**
   * Starts the server, or adopts the one that runs, and makes its database. Called again it answers the same address, and starts
   * the server anew, in the same place, if it died. Throws an Error of one clear line.
   */
  start(): Promise<EmbeddedAddress>;
  /** Whether the server that was started or adopted has died. */
  isDown(): boolean;
  /** Stops the server, also one that was adopted. Never throws; may be called before start, during it, and twice. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The folder of the installation; the data comes into var/postgres below it. */
  home: string;
  log: Log;
  /** For a command beside the main process: stop leaves a server that was adopted, or that others have come to use. */
  shared?: boolean;
  /** For tests: listen on this port of 127.0.0.1 too, where every local user gets in. */
  listenPort?: number;
}

interface Held {
  address: EmbeddedAddress;
  pid: number;
  isGone(): boolean;
}

const DEFAULT_PORT = 5432;
const LEFTOVER_PATIENCE_MS = 20_000;
const STRAY_PATIENCE_MS = 500;

/**
 * The launcher of the PostgreSQL that comes with npm. It needs no installation step, no root and no user, survives kill -9 of
 * anybody, and never runs two servers on one home.
 */
export function embeddedPostgres(options: EmbeddedOptions): EmbeddedPostgres {
  const { log } = options;
  let held: Held | undefined;
  let socketDir: string | undefined;
  let starting: Promise<EmbeddedAddress> | undefined;
  let abort = new AbortController();

  async function bringUp(signal: AbortSignal): Promise<EmbeddedAddress> {
    const last = held;
    if (last && (await probe(last.address.host, last.address.port)).kind === "ready") return last.address;
    const found = findPackage();
    const place = await preparePlace(options.home);
    return withStartLock(place.dataDir, signal, () => findOrStart(found, place, last, signal));
  }

  async function findOrStart(found: BinaryPackage, place: Place, last: Held | undefined, signal: AbortSignal) {
    await refuseForeignData(place.dataDir, found.major);
    const begun = Date.now();
    const left = new Set<string>();
    for (let pause = 50; ; pause = Math.min(pause * 2, 250)) {
      const { server, staleSocketDir } = await findRunning(place.dataDir, log, signal);
      if (staleSocketDir) left.add(staleSocketDir);
      if (server && server.pid === last?.pid) return last.address;
      held = undefined;
      if (server) return adopt(server, place, left);

      const binaries = await prepareBinaries(found, place);
      await ensureCluster(place, binaries, options.listenPort !== undefined);
      if (socketDir) await clearSocketDir(socketDir);
      socketDir ??= await makeSocketDir(place.user);
      const port = options.listenPort ?? DEFAULT_PORT;
      const listens = options.listenPort !== undefined;
      const outcome = await launch(place, binaries, { socketDir, port, listens }, log, signal);
      if (outcome.kind === "ready") return own(outcome.server, place, socketDir, port, left);

      const waited = Date.now() - begun;
      if (waited > LEFTOVER_PATIENCE_MS) throw new Error(heldMessage(place.dataDir));
      if (outcome.kind === "held" && waited > STRAY_PATIENCE_MS) endStrays(place.dataDir, log, true);
      await sleep(pause, undefined, { signal });
    }
  }

  async function adopt(server: RunningServer, place: Place, left: Set<string>): Promise<EmbeddedAddress> {
    if (socketDir && socketDir !== server.socketDir) left.add(socketDir);
    // Should it die, the next one listens in the same place, where this process's connections look for it.
    socketDir = server.socketDir;
    await tidy(left, server.socketDir);
    log("using the database server that runs already", { pid: server.pid });
    return hold(server, place, () => !isServerOf(server.pid, place.dataDir), true);
  }

  async function own(server: Postmaster, place: Place, folder: string, port: number, left: Set<string>) {
    await tidy(left, folder);
    const { pid, isGone } = server;
    const address = await greet(pid, place, folder, port, isGone).catch(async (error) => {
      await stopServer(pid, isGone);
      throw error;
    });
    void server.ended.then((reason) => {
      if (held?.address === address) log("the database server ended", { pid, reason, log: place.logFile });
    });
    return address;
  }

  async function greet(pid: number, place: Place, folder: string, port: number, isGone: () => boolean) {
    const answer = await probe(folder, port);
    if (answer.kind === "ready")
      return hold({ pid, port, socketDir: folder, version: answer.version }, place, isGone, false);
    throw new Error(`The embedded PostgreSQL does not answer after its start (see ${place.logFile})`);
  }

  async function hold(server: RunningServer, place: Place, isGone: () => boolean, adopted: boolean) {
    const { pid, port, version } = server;
    await ensureDatabase(server.socketDir, port);
    const { dataDir, note } = place;
    const where = { host: server.socketDir, port, user: OWNER, database: OWNER, dataDir, version, adopted };
    const address = note === undefined ? where : { ...where, note };
    held = { address, pid, isGone };
    return address;
  }

  async function letGo({ address, pid, isGone }: Held): Promise<void> {
    if (options.shared && (address.adopted || (await isInUse(address.host, address.port)))) return;
    if (!(await stopServer(pid, isGone))) log("the database server does not stop", { pid });
    endStrays(address.dataDir, log);
    await removeSocketDir(address.host);
  }

  return {
    start() {
      abort = abort.signal.aborted ? new AbortController() : abort;
      starting ??= bringUp(abort.signal).finally(() => {
        starting = undefined;
      });
      return starting;
    },
    isDown: () => held?.isGone() ?? false,
    async stop() {
      abort.abort(new Error("The embedded PostgreSQL was stopped while it started."));
      await starting?.catch(() => {});
      const last = held;
      held = undefined;
      try {
        if (last) await letGo(last);
        else if (socketDir) await removeSocketDir(socketDir);
      } catch (error) {
        log("the database server could not be stopped", { pid: last?.pid, error: String(error) });
      }
      socketDir = undefined;
    },
  };
}

/** Only when it is known who serves: what a dead server left may be in use again by then. */
async function tidy(left: Set<string>, inUse: string): Promise<void> {
  for (const socketDir of left) if (socketDir !== inUse) await removeSocketDir(socketDir);
}

function heldMessage(dataDir: string): string {
  return `A killed PostgreSQL left processes behind which still use ${dataDir}: end them, then start again.`;
}
