import type { Database } from "../db/db.js";
import type { DueJob } from "../queue/queue.js";
import { nextDue, promoteJobs } from "../queue/store.js";
import type { Trouble } from "./trouble.js";

/** Milliseconds between two looks for jobs whose time was set elsewhere. */
const POLL = 500;
/** The same when somebody else makes jobs due just now. */
const BUSY = 50;

/** Makes jobs due when their time comes, by the database's clock. Every node does, for all. */
export interface TimedJobs {
  start(): void;
  /** Says that a job will be due in so many milliseconds. */
  expect(inMs: number): void;
  stop(): Promise<void>;
}

export function timedJobs(database: Database, offer: (due: readonly DueJob[]) => void, trouble: Trouble): TimedJobs {
  const at = { db: database };
  let timer: NodeJS.Timeout | undefined;
  let wakesAt = Number.POSITIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let stopped = true;

  const sleep = (ms: number) => {
    if (stopped) return;
    clearTimeout(timer);
    wakesAt = performance.now() + ms;
    timer = setTimeout(wake, ms);
  };
  const wake = () => {
    wakesAt = Number.POSITIVE_INFINITY;
    looking ??= look().finally(() => {
      looking = undefined;
    });
  };

  const look = async () => {
    let inMs: number | null = null;
    try {
      [{ inMs } = { inMs }] = await nextDue(at, {});
      while (inMs !== null && inMs <= 0) {
        const due = await promoteJobs(at, {});
        offer(due);
        [{ inMs } = { inMs }] = await nextDue(at, {});
        // Others have them in hand, and will not for long.
        if (due.length === 0) inMs = Math.max(BUSY, inMs ?? POLL);
      }
      trouble.over();
    } catch (error) {
      trouble.met(error);
    }
    // Nodes that were started together need not look together.
    const poll = POLL * (0.8 + Math.random() * 0.4);
    const soonest = Math.min(poll, Math.max(1, Math.ceil(inMs ?? poll)), Math.max(1, wakesAt - performance.now()));
    sleep(soonest);
  };

  return {
    start() {
      stopped = false;
      wake();
    },
    expect(inMs) {
      if (performance.now() + inMs < wakesAt - 1) sleep(Math.ceil(inMs) + 1);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await looking;
    },
  };
}
