import { Worker } from "node:worker_threads";
import type { ClaimedJob } from "../../queue/queue.js";

/** Ends this process when a job that runs in it lets nothing else run. */
export interface Watchdog {
  start(): void;
  stop(): Promise<void>;
  /** Says that a job runs in this process. */
  running(job: Pick<ClaimedJob, "id" | "name">): Watch;
}

/** A job that runs. */
export interface Watch {
  /** Its own code is about to go on: of several jobs the one that did so last is blamed. */
  active(): void;
  ended(): void;
}

export interface WatchdogOptions {
  /** How long this process may do nothing else while a job runs, in milliseconds; 0 is for ever. */
  limitMs: number;
  /** What the line says besides, such as which worker of several this is. */
  facts?: object;
}

/**
 * What both threads share: a header of whole numbers (beats of the main thread, how many jobs run, and one that is always 0, to
 * wait for), then a slot for each job: when it was last active (as a count; 0 is an empty slot), the length of its text, its text.
 */
const LAYOUT = { BEAT: 0, RUNNING: 1, NOTHING: 2, HEADER_BYTES: 16, SLOT_BYTES: 144, TICK_MS: 250, SLOTS: 10_000 };
const { BEAT, RUNNING, HEADER_BYTES, SLOT_BYTES, TICK_MS, SLOTS } = LAYOUT;

/**
 * Watches this process from a thread. When it did not get to its own work for so long, and a job runs in it, the thread writes
 * one line to standard error, a JSON object as those of the log, which names the jobs that run, and kills the process. What
 * becomes of the jobs is the same as in any crash.
 */
export function watchdog({ limitMs, facts = {} }: WatchdogOptions): Watchdog {
  const shared = new SharedArrayBuffer(HEADER_BYTES + SLOTS * SLOT_BYTES);
  const header = new Int32Array(shared, 0, HEADER_BYTES / 4);
  const bytes = Buffer.from(shared);
  const free: number[] = [];
  let used = 0;
  let activities = 0;
  let running = 0;
  let thread: Worker | undefined;
  let beating: NodeJS.Timeout | undefined;

  const count = (step: 1 | -1) => {
    running += step;
    Atomics.store(header, RUNNING, running);
    if (running === 1 && step === 1) Atomics.notify(header, RUNNING);
  };

  return {
    start() {
      if (limitMs === 0) return;
      beating = setInterval(() => Atomics.add(header, BEAT, 1), TICK_MS).unref();
      thread = new Worker(new URL("./thread.mjs", import.meta.url), {
        workerData: { shared, layout: LAYOUT, limitMs, facts },
        execArgv: [],
        resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
      });
      thread.unref();
    },
    async stop() {
      clearInterval(beating);
      await thread?.terminate();
    },
    running({ id, name }) {
      const slot = free.pop() ?? (used < SLOTS ? used++ : undefined);
      const at = HEADER_BYTES + (slot ?? 0) * SLOT_BYTES;
      const active = () => {
        if (slot !== undefined) bytes.writeDoubleLE(++activities, at);
      };
      if (slot !== undefined) bytes[at + 8] = bytes.write(`${id} ${name}`, at + 9, SLOT_BYTES - 9, "latin1");
      active();
      count(1);
      return {
        active,
        ended() {
          count(-1);
          if (slot === undefined) return;
          bytes.writeDoubleLE(0, at);
          free.push(slot);
        },
      };
    },
  };
}
