import { DomainError } from "../../../kernel/errors.js";
import type { Log } from "../../log.js";
import type { ClaimedJob } from "../../queue/queue.js";
import type { JobLine, Outcome } from "../runner.js";
import type { Child, ChildEvents } from "./child.js";
import { residentBytes } from "./memory.js";
import { carried, type FromChild, wordsOf } from "./protocol.js";

/** What the slots of a pool have in common. */
export interface SlotOptions {
  /** What its children are, in an error's words: "process" or "thread". */
  readonly kind: string;
  /** Most MiB a child process may use. */
  readonly memoryMb: number;
  /** What a child is told first. */
  readonly brief: unknown;
  readonly log: Log;
  open(events: ChildEvents): Child;
  /** Does what a child asks of the server. Rejects for a name that is none. */
  answer(name: string, values: readonly unknown[]): unknown;
  /** Its child takes jobs. */
  onReady(slot: Slot): void;
  /** Its children die as soon as they are started: the next one is started after a while. */
  onDown(): void;
}

/** A place for one job worker at a time, which is replaced when it ends. */
export interface Slot {
  start(): void;
  /** Ends its child; resolves when it is gone. */
  stop(): Promise<void>;
  /** Whether a job can be given to it now. */
  isReady(): boolean;
  /** Whether its children have died early, and none has become ready since. */
  isDown(): boolean;
  /** Runs a job on the child, which is ready. Undefined when the child did not begin with it: that is not the job's fault. */
  run(job: ClaimedJob, line: JobLine): Promise<Outcome | undefined>;
  /** Ends the child when its job has made it larger than it may be. */
  checkSize(): void;
  /** What the last child that died early said. */
  lastWords(): string;
}

/** A job that runs on the child. */
interface Turn {
  readonly number: number;
  readonly line: JobLine;
  settle(outcome: Outcome | undefined): void;
  /** Called when the child begins with it. */
  begin(): void;
  hasBegun(): boolean;
}

/** A job that was told to end is given so long. */
const GRACE_MS = 1_000;
/** A child that is ready begins with a job at once, unless something an earlier job has left behind keeps it busy. */
const BEGIN_WITHIN_MS = 5_000;
/** A child that has done nothing and dies so soon is started again after a pause, which is doubled each time. */
const EARLY_MS = 10_000;
const LEAST_PAUSE_MS = 200;
const MOST_PAUSE_MS = 30_000;
const STOPPED_WITHIN_MS = 1_000;
const MIB = 1 << 20;
/** Of the memory it had to itself at first, the part that may be in use after a job. */
const MOST_LEFT_BEHIND = 0.75;

/** An empty slot. */
export function createSlot(options: SlotOptions): Slot {
  const { kind, memoryMb, log } = options;
  const most = memoryMb * MIB;
  let child: Child | undefined;
  let isReady = false;
  let turn: Turn | undefined;
  let turns = 0;
  // Of the child: when it was started, whether it was of use, whether it was told to end, what it said of its end, its size as it
  // says, and when it was ready.
  let born = 0;
  let wasUsed = false;
  let isLeaving = false;
  let said: string | undefined;
  let size: number | undefined;
  let sizeAtFirst = 0;
  let isDown = false;
  let earlyDeaths = 0;
  let lastWords = "";
  let pause: NodeJS.Timeout | undefined;
  let gone = () => {};
  let isStopping = false;

  const launch = () => {
    born = performance.now();
    wasUsed = isReady = isLeaving = false;
    said = size = undefined;
    const mine: Child = options.open({
      onMessage: (message) => child === mine && hear(mine, message),
      onGone: (how) => child === mine && bury(how),
    });
    child = mine;
    mine.send({ backstay: "begin", brief: options.brief });
  };

  const hear = (from: Child, message: FromChild) => {
    if (message.backstay === "ready") return becomeReady();
    if (message.backstay === "failed") said = message.message;
    else if (message.backstay === "size") size = message.bytes;
    else if (message.backstay === "call") void answerCall(from, message);
    else if (turn !== undefined && message.turn === turn.number) hearOf(turn, message);
  };

  const hearOf = ({ line, begin, settle }: Turn, message: FromChild) => {
    if (message.backstay === "began") begin();
    else if (message.backstay === "progress") line.progress(JSON.parse(message.json));
    else if (message.backstay === "log") line.log(message.message, message.facts);
    else if (message.backstay === "ended") {
      settle(message.outcome);
      renewOrServe();
    }
  };

  const answerCall = async (from: Child, { call, turn: of, name, values }: FromChild & { backstay: "call" }) => {
    try {
      const value = name === "heartbeat" ? await heartbeat(of) : await options.answer(name, values);
      from.send({ backstay: "answer", call, value });
    } catch (error) {
      from.send({ backstay: "answer", call, error: carried(error) });
    }
  };

  const heartbeat = async (of: number | undefined) => {
    if (turn === undefined || turn.number !== of) throw new DomainError("JOB_LOST");
    await turn.line.heartbeat();
  };

  const becomeReady = () => {
    sizeAtFirst = sizeOf();
    if (sizeAtFirst >= most) {
      said = `it uses ${Math.ceil(sizeAtFirst / MIB)} MiB before its first job, more than jobs.memory_mb`;
      child?.kill();
      return;
    }
    isReady = true;
    isDown = false;
    options.onReady(slot);
  };

  /** A process that a job has left large is replaced: else the next one would be blamed for it. */
  const renewOrServe = () => {
    wasUsed = true;
    earlyDeaths = 0;
    if (sizeOf() - sizeAtFirst > MOST_LEFT_BEHIND * (most - sizeAtFirst)) {
      isReady = false;
      isLeaving = true;
      child?.dismiss();
    } else if (isReady) options.onReady(slot);
  };

  /** In bytes; 0 for a thread, whose heap alone has a limit. */
  const sizeOf = () => (child?.pid === undefined ? 0 : (residentBytes(child.pid) ?? size ?? 0));

  const bury = (how: string) => {
    const words = said === undefined ? how : `${how}: ${said}`;
    const isExpected = isLeaving || turn !== undefined;
    const isEarly = !isExpected && !wasUsed && performance.now() - born < EARLY_MS;
    const wait = isEarly ? Math.min(LEAST_PAUSE_MS * 2 ** Math.min(earlyDeaths++, 20), MOST_PAUSE_MS) : 0;
    child = undefined;
    isReady = false;
    isDown = isEarly;
    turn?.settle(turn.hasBegun() ? { kind: "failed", error: `the job's ${kind} ${words}` } : undefined);
    gone();
    if (isStopping) return;
    if (!isExpected) log.warn({ againInMs: wait }, `a job ${kind} ${words}`);
    if (!isEarly) return launch();
    lastWords = words;
    pause = setTimeout(launch, wait);
    options.onDown();
  };

  /** Ends the child by force. It was not its own end, so the next one is started as soon as it is gone. */
  const end = (outcome: Outcome | undefined) => {
    isReady = false;
    isLeaving = true;
    turn?.settle(outcome);
    child?.kill();
  };

  const slot: Slot = {
    start: launch,
    async stop() {
      isStopping = true;
      clearTimeout(pause);
      if (child === undefined) return;
      const late = setTimeout(() => child?.kill(), STOPPED_WITHIN_MS);
      const others = gone;
      const whenGone = new Promise<void>((resolve) => {
        gone = () => {
          others();
          resolve();
        };
      });
      isReady = false;
      child.dismiss();
      await whenGone;
      clearTimeout(late);
    },
    isReady: () => isReady && turn === undefined,
    isDown: () => isDown,
    lastWords: () => lastWords,
    checkSize() {
      if (turn === undefined || sizeOf() <= most) return;
      end({ kind: "failed", error: `the job's ${kind} used more than ${memoryMb} MiB of memory` });
    },
    run: (job, line) =>
      new Promise((resolve) => {
        const number = ++turns;
        let force: NodeJS.Timeout | undefined;
        const late = setTimeout(() => {
          log.warn({ job: job.name, id: job.id }, `a job ${kind} did not begin with its job and is replaced`);
          end(undefined);
        }, BEGIN_WITHIN_MS);
        const abort = () => {
          const reason = wordsOf(line.signal.reason);
          child?.send({ backstay: "abort", turn: number, reason });
          force = setTimeout(() => end({ kind: "failed", error: reason }), GRACE_MS);
        };
        const settle = (outcome: Outcome | undefined) => {
          clearTimeout(late);
          clearTimeout(force);
          line.signal.removeEventListener("abort", abort);
          turn = undefined;
          resolve(outcome);
        };
        let hasBegun = false;
        const begin = () => {
          hasBegun = true;
          clearTimeout(late);
          line.began?.();
        };
        turn = { number, line, settle, begin, hasBegun: () => hasBegun };
        line.signal.addEventListener("abort", abort);
        child!.send({ backstay: "run", turn: number, job });
      }),
  };
  return slot;
}
