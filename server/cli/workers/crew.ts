import cluster, { type Worker } from "node:cluster";
import { type Ground, prepareGround, type Started, shareNotices } from "../../app.js";
import type { Config } from "../../config.js";
import { type FromWorker, ours, type ToWorker } from "./protocol.js";

/** The processes that serve one port together, and the home and database that they share. */
export interface Crew {
  /** Resolves when all of them are ready; rejects with what kept one from it. */
  start(): Promise<Omit<Started, "control">>;
  stop(): Promise<void>;
  /** Resolves when it is to end: with an error when a worker cannot be kept alive, without one when the app's code says so. */
  readonly over: Promise<Error | undefined>;
}

interface Member {
  readonly number: number;
  process: Worker | undefined;
  isReady: boolean;
  /** Deaths in a row that came soon after its start. */
  earlyDeaths: number;
  /** What it said of its last death. */
  lastWords: { message: string; code?: string | undefined } | undefined;
}

/** A worker that dies so soon after its start, so many times in a row, is not started again. */
const EARLY_MS = 10_000;
const MOST_EARLY_DEATHS = 5;
/** Milliseconds before a worker that died early is started again; doubled each time. */
const PAUSE_MS = 200;
/** A worker that was told to end is gone by then; it sees to that itself, a little earlier. */
const GONE_BY_MS = 9_200;

export function createCrew(config: Config): Crew {
  const { log, ...groundWork } = prepareGround(config);
  const members: Member[] = Array.from({ length: config.workers }, (_, n) => ({
    number: n + 1,
    process: undefined,
    isReady: false,
    earlyDeaths: 0,
    lastWords: undefined,
  }));
  const share = shareNotices();
  const pauses = new Set<NodeJS.Timeout>();
  let ground: Ground | undefined;
  let started: Omit<Started, "control"> | undefined;
  let stopping = false;
  let end = (_?: Error) => {};
  const over = new Promise<Error | undefined>((resolve) => {
    end = resolve;
  });
  let isComplete = false;
  let complete = () => {};
  const allReady = new Promise<void>((resolve) => {
    complete = resolve;
  });

  const launch = (member: Member) => {
    const worker = cluster.fork();
    const born = performance.now();
    member.process = worker;
    member.isReady = false;
    member.lastWords = undefined;
    const unshare = share(worker.process);
    worker.on("message", (message) => {
      const told = ours<FromWorker>(message);
      if (told !== undefined) hear(member, worker, told);
    });
    // A worker that is gone cannot be told anything.
    worker.on("error", () => {});
    worker.once("exit", (code, signal) => {
      member.process = undefined;
      unshare();
      if (stopping) return;
      log.warn({ of: member.number, pid: worker.process.pid, code, signal }, "a worker ended");
      bury(member, performance.now() - born, signal ? `ended by ${signal}` : `ended with the code ${code}`);
    });
  };

  const hear = (member: Member, worker: Worker, told: FromWorker) => {
    if (told.backstay === "hello") {
      const { number } = member;
      // One process does what is done once; only the first start makes a link, which is printed.
      const part = { number, ground: ground!, offersSetup: number === 1 && !started };
      worker.send({ backstay: "part", part } satisfies ToWorker);
      if (stopping) worker.send({ backstay: "stop" } satisfies ToWorker);
    } else if (told.backstay === "failed") {
      member.lastWords = told;
    } else if (told.backstay === "end") {
      end();
    } else {
      member.isReady = true;
      log.info({ of: member.number, pid: worker.process.pid }, "a worker is ready");
      if (member.number === 1) started ??= told.started;
      if (!members.every(({ isReady }) => isReady)) return;
      isComplete = true;
      complete();
    }
  };

  /** Starts a dead worker again, unless there is no use. */
  const bury = (member: Member, lived: number, how: string) => {
    const { message = how, code } = member.lastWords ?? {};
    member.isReady = false;
    member.earlyDeaths = lived < EARLY_MS ? member.earlyDeaths + 1 : 0;
    if (!isComplete) return end(Object.assign(new Error(message), { code }));
    if (member.earlyDeaths >= MOST_EARLY_DEATHS) {
      return end(new Error(`worker ${member.number} died ${MOST_EARLY_DEATHS} times soon after its start: ${message}`));
    }
    const pause = member.earlyDeaths === 0 ? 0 : PAUSE_MS * 2 ** (member.earlyDeaths - 1);
    const timer = setTimeout(() => {
      pauses.delete(timer);
      launch(member);
    }, pause);
    pauses.add(timer);
  };

  const start = async () => {
    ground = await groundWork.start();
    if (!stopping) {
      // The workers accept by themselves: dealt out by node, connections are lost that a dying worker was to get.
      cluster.schedulingPolicy = cluster.SCHED_NONE;
      cluster.setupPrimary({ exec: process.argv[1]!, args: process.argv.slice(2) });
      for (const member of members) launch(member);
      const error = await Promise.race([allReady, over]);
      if (error) throw error;
    }
    if (stopping || !started) throw new Error("the server was stopped while it started");
    groundWork.announce(started.url);
    return started;
  };

  const stop = async () => {
    stopping = true;
    end();
    for (const timer of pauses) clearTimeout(timer);
    await Promise.all(members.map(dismiss));
    await groundWork.stop();
    log.flush();
  };

  return {
    over,
    start: () =>
      start().catch(async (error) => {
        await stop();
        throw error;
      }),
    stop,
  };
}

/** Tells a worker to end in order, and waits until it has. One that does not even hear it is killed. */
function dismiss({ process: worker }: Member): Promise<void> {
  if (worker === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(() => worker.process.kill("SIGKILL"), GONE_BY_MS);
    worker.once("exit", () => {
      clearTimeout(late);
      resolve();
    });
    if (worker.isConnected()) worker.send({ backstay: "stop" } satisfies ToWorker);
  });
}
