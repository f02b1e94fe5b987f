import type { DeclaredJobs } from "../../kernel/jobs.js";
import { ConflictError, ConstraintError, type Database } from "../db/db.js";
import type { ClaimedJob } from "../queue/queue.js";
import { claimJobs, findQueues, type MetJob, parkJobs, type Wanted } from "../queue/store.js";
import type { Room } from "./room.js";
import type { Trouble } from "./trouble.js";

export interface ClaimerParts {
  database: Database;
  workerId: string;
  declared: DeclaredJobs;
  room: Room;
  queues: "*" | readonly string[];
  onTaken(job: ClaimedJob): void;
  trouble: Trouble;
}

/** Takes jobs from the database, as many as there is room for. */
export interface Claimer {
  start(): Promise<void>;
  /** See `Hands.take`. */
  take(most: number, queues?: readonly string[]): Promise<number>;
  /** See `Hands.queues`. */
  queues(): readonly string[];
  /** Marks the moment: answers later whether every claim that was begun before it has been answered. */
  untilNow(): () => boolean;
}

/** So often a claim is tried that meets another one at the same order key. */
const TRIES = 3;
/** Most due jobs that are looked at beyond those there is room for. */
const MOST_FURTHER = 1_000;
/** Milliseconds between two looks for queues that are new. */
const QUEUES_EVERY = 1_000;

export function claimer({ database, workerId, declared, room, queues, onTaken, trouble }: ClaimerParts): Claimer {
  const at = { db: database };
  const pending = new Set<number>();
  let begun = 0;
  /** So many more due jobs are looked at than there is room for. */
  let further = 0;
  let known: readonly string[] = queues === "*" ? [] : queues;
  let knownAt = Number.NEGATIVE_INFINITY;

  const learnQueues = async () => {
    if (queues !== "*" || performance.now() - knownAt < QUEUES_EVERY) return;
    knownAt = performance.now();
    known = (await findQueues(at, {})).map(({ name }) => name);
  };

  const claim = async (wanted: Wanted[], most: number, of: readonly string[] | undefined): Promise<MetJob[]> => {
    const number = ++begun;
    pending.add(number);
    const giveBack = room.reserve(wanted, most);
    try {
      for (let left = TRIES - 1; ; left--) {
        try {
          return await claimJobs(at, { workerId, wanted, queues: of, most, further });
        } catch (error) {
          // Another worker took a job of the same order key at the same moment.
          if (left === 0 || !(error instanceof ConstraintError || error instanceof ConflictError)) throw error;
        }
      }
    } finally {
      pending.delete(number);
      giveBack();
    }
  };

  /** Takes what there is room for, once; `more` is whether there may be more for the room that is left. */
  const takeOnce = async (most: number, of: readonly string[] | undefined) => {
    const wanted = room.wanted();
    if (wanted.length === 0 || most <= 0) return { took: 0, more: false };
    const met = await claim(wanted, most, of);
    const blocked: string[] = [];
    for (const job of met) {
      if (job.blocked) blocked.push(job.id);
      else onTaken(Object.assign(job, { workerId }));
    }
    // Where many wait for one, those that wait are to be got out of its way.
    further = blocked.length === 0 ? 0 : Math.min(MOST_FURTHER, 2 * (further + blocked.length));
    const parked = blocked.length === 0 ? [] : await parkJobs(at, { ids: blocked });
    return { took: met.length - blocked.length, more: parked.length > 0 };
  };

  const takeAll = async (most: number, of: readonly string[] | undefined) => {
    let took = 0;
    for (let more = true; more; ) {
      const next = await takeOnce(most - took, of);
      took += next.took;
      more = next.more;
    }
    return took;
  };

  return {
    start: learnQueues,
    async take(most, some) {
      const mine = queues === "*" ? some : (some?.filter((queue) => queues.includes(queue)) ?? queues);
      try {
        const took = await takeAll(most, mine);
        await learnQueues();
        trouble.over();
        return took;
      } catch (error) {
        trouble.met(error);
        return 0;
      }
    },
    // A queue is known as soon as somebody submits to it, and those of this process's own jobs before.
    queues: () => (queues === "*" ? [...new Set([...known, ...declared.all().map(({ queue }) => queue)])] : queues),
    untilNow() {
      const last = begun;
      return () => [...pending].every((number) => number > last);
    },
  };
}
