import type { Log } from "../../log.js";
import type { ClaimedJob } from "../../queue/queue.js";
import type { JobLine, Outcome, Runner } from "../runner.js";
import { openProcess } from "./process.js";
import { wordsOf } from "./protocol.js";
import { createSlot, type Slot, type SlotOptions } from "./slot.js";
import { openThread } from "./thread.js";

export interface IsolatedOptions extends Pick<SlotOptions, "memoryMb" | "brief" | "log" | "answer"> {
  readonly kind: "process" | "thread";
  /** How many there are, each for one job at a time. */
  readonly count: number;
  /** The module a worker begins with: plain JavaScript, which calls what serves jobs (see duty.ts). */
  readonly entry: string;
  readonly log: Log;
}

/** A job that so many workers have not begun with may well be the reason. */
const MOST_TRIES = 3;
/** How often the size of the processes is looked at while jobs run on them. */
const LOOK_EVERY_MS = 200;
const STOPS = "the server stops";

/**
 * Runs each job in a process, or a thread, that has no other at that time. What a job does to it (an exit, an endless loop, too
 * much memory) ends that attempt and nothing else. The start does not wait until the workers are there; the jobs do.
 */
export function isolatedRunner(options: IsolatedOptions): Runner {
  const { kind, count, entry, memoryMb } = options;
  const open: SlotOptions["open"] = (events) =>
    (kind === "process" ? openProcess : openThread)({ entry, memoryMb }, events);
  const waiting = new Set<Waiter>();
  let looking: NodeJS.Timeout | undefined;
  let isStopping = false;

  const slots = Array.from({ length: count }, () =>
    createSlot({
      ...options,
      open,
      onReady(slot) {
        const [first] = waiting;
        first?.take(slot);
      },
      onDown() {
        if (!slots.every((slot) => slot.isDown())) return;
        for (const waiter of waiting) waiter.refuse(`no job ${kind} can be started: the last one ${lastWords()}`);
      },
    }),
  );
  const lastWords = () => slots.map((slot) => slot.lastWords()).find((words) => words !== "") ?? "ended";

  /** Gives the job to the first worker that is free. */
  const give = (job: ClaimedJob, line: JobLine) =>
    new Promise<Outcome | undefined>((resolve) => {
      const { signal } = line;
      const refuse = (error: string) => {
        leave();
        resolve({ kind: "failed", error });
      };
      const abort = () => refuse(wordsOf(signal.reason));
      const waiter: Waiter = {
        take(slot) {
          leave();
          resolve(slot.run(job, line));
        },
        refuse,
      };
      const leave = () => {
        waiting.delete(waiter);
        signal.removeEventListener("abort", abort);
      };
      if (isStopping) return refuse(STOPS);
      if (signal.aborted) return abort();
      const ready = slots.find((slot) => slot.isReady());
      if (ready !== undefined) return waiter.take(ready);
      waiting.add(waiter);
      signal.addEventListener("abort", abort);
    });

  return {
    // Workers that do not start are no hands: the jobs are left to other nodes, or for later.
    get size() {
      return slots.filter((slot) => !slot.isDown()).length;
    },
    async start() {
      if (looking !== undefined) return;
      for (const slot of slots) slot.start();
      looking = setInterval(() => {
        for (const slot of slots) slot.checkSize();
      }, LOOK_EVERY_MS).unref();
    },
    async stop() {
      isStopping = true;
      clearInterval(looking);
      for (const waiter of waiting) waiter.refuse(STOPS);
      await Promise.all(slots.map((slot) => slot.stop()));
    },
    async run(job, line) {
      for (let tries = 0; tries < MOST_TRIES; tries++) {
        const outcome = await give(job, line);
        if (outcome !== undefined) return outcome;
      }
      return {
        kind: "failed",
        error: `${MOST_TRIES} ${kind === "process" ? "processes" : "threads"} did not begin with it`,
      };
    },
  };
}

/** A job that waits for a worker. */
interface Waiter {
  take(slot: Slot): void;
  refuse(error: string): void;
}
