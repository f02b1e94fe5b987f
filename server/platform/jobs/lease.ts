import type { Database, Db } from "../db/db.js";
import type { Log } from "../log.js";
import type { DueJob } from "../queue/queue.js";
import {
  BATCH,
  findRunning,
  pruneWorkers,
  type RescuedJob,
  releaseJobs,
  renewLease,
  rescueJobs,
} from "../queue/store.js";
import type { Trouble } from "./trouble.js";
import { KeysHeld, orderKeysOf, wakeNext } from "./waking.js";

/** One taking of a job. */
export interface Taking {
  readonly id: string;
  readonly fence: number;
}

export interface LeaseParts {
  database: Database;
  workerId: string;
  /** Milliseconds a worker that says nothing keeps its jobs. */
  lease: number;
  /** The takings that this worker knows of. */
  taken(): readonly Taking[];
  knows(taking: Taking): boolean;
  /** Marks the moment: answers later whether every claim that was begun before it has been answered. */
  claimsUntilNow(): () => boolean;
  /** Told of each taking that is no longer this worker's. */
  onLost(lost: Taking): void;
  offer(due: readonly DueJob[]): void;
  log: Log;
  trouble: Trouble;
}

/** Says that this worker is there, four times a lease; finds what it has lost, and what others have. */
export interface WorkerLease {
  /** Rejects when the database is away: a worker without a lease gets nothing. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A beat of a lease is this part of it. */
const BEATS = 4;
/** The first beat, of a node that may not live long either, and the next try of one that failed: these parts of it. */
const FIRST = 20;
const AGAIN = 40;
const LOST = "the worker that ran it was lost";

export function workerLease(parts: LeaseParts): WorkerLease {
  const { database, workerId, lease, log, trouble, offer } = parts;
  const at = { db: database };
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> | undefined;
  let stopped = false;
  let suspects = new Map<string, () => boolean>();

  /** What the database says is ours, against what is: a job may have been taken from us, or its claim's answer been lost. */
  const compare = async () => {
    const before = parts.taken();
    const areAnswered = parts.claimsUntilNow();
    const running = await findRunning(at, { workerId });
    const ours = new Set(running.map(keyOf));
    for (const taking of before) if (!ours.has(keyOf(taking))) parts.onLost(taking);
    const strangers = running.filter((taking) => !parts.knows(taking));
    const orphans = strangers.filter((taking) => suspects.get(keyOf(taking))?.());
    suspects = new Map(strangers.map((taking) => [keyOf(taking), suspects.get(keyOf(taking)) ?? areAnswered]));
    if (orphans.length > 0) await giveBack(database, workerId, orphans, offer);
  };

  /** Answers when the next one is due, in milliseconds. */
  const beat = async (): Promise<number> => {
    try {
      const [{ held } = { held: false }] = await renewLease(at, { workerId, leaseMs: lease });
      await compare();
      // After an outage, or a stall, others get the time to say that they are there too.
      if (held) await rescue();
      else log.warn({ worker: workerId }, "this worker's lease had ended: jobs it had may have been given to others");
      trouble.over();
      return lease / BEATS;
    } catch (error) {
      trouble.met(error);
      return lease / AGAIN;
    }
  };

  const rescue = async () => {
    // The own lease is to be renewed, however many there are.
    const until = performance.now() + lease / BEATS;
    let count = 0;
    let last: number;
    do {
      last = (await moving(database, (db, except) => rescueJobs({ db }, { error: LOST, except }), offer)).length;
      count += last;
    } while (last === BATCH && !stopped && performance.now() < until);
    if (count > 0) log.warn({ jobs: count }, "jobs were taken back from workers that were lost");
  };

  const next = (ms: number) => {
    timer = setTimeout(() => {
      beating = beat().then((after) => {
        if (!stopped) next(after);
      });
    }, ms);
  };

  return {
    async start() {
      await renewLease(at, { workerId, leaseMs: lease });
      await pruneWorkers(at, {});
      // Not at once: after an outage others too are about to say that they are there.
      next(lease / FIRST);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await beating;
    },
  };
}

/** Gives jobs back as if they had never been taken. */
export async function giveBack(
  database: Database,
  workerId: string,
  takings: readonly Taking[],
  offer: (due: readonly DueJob[]) => void,
): Promise<readonly DueJob[]> {
  const ids = takings.map(({ id }) => id);
  const fences = takings.map(({ fence }) => String(fence));
  return moving(database, (db, except) => releaseJobs({ db }, { workerId, ids, fences, except }), offer);
}

/**
 * Runs what takes jobs from their workers, lets the next of their order keys go, and offers what is due then. Jobs of keys that
 * somebody holds are excepted, to be moved another time: one key does not hold up the others.
 */
async function moving(
  database: Database,
  move: (db: Db, except: readonly string[]) => Promise<readonly RescuedJob[]>,
  offer: (due: readonly DueJob[]) => void,
): Promise<readonly RescuedJob[]> {
  const moveBut = (except: readonly string[]) =>
    database.transaction(async (db) => {
      const moved = await move(db, except);
      return { moved, woken: await wakeNext(db, orderKeysOf(moved)) };
    });
  for (const except: string[] = []; ; ) {
    try {
      const { moved, woken } = await moveBut(except);
      offer([...moved.filter(({ due }) => due), ...woken]);
      return moved;
    } catch (error) {
      if (!(error instanceof KeysHeld)) throw error;
      except.push(...error.orderKeys);
    }
  }
}

export function keyOf({ id, fence }: Taking): string {
  return `${id}.${fence}`;
}
