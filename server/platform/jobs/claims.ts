import { ConflictError, ConstraintError, type Database } from "../db/db.js";
import type { ClaimedJob } from "../queue/queue.js";
import { claimJobs, findQueues, type MetJob, parkJobs } from "../queue/store.js";
import type { Group, Room } from "./room.js";
import type { Trouble } from "./trouble.js";

export interface ClaimerParts {
  database: Database;
  workerId: string;
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
/** Milliseconds between two looks for queues that are new. */
const QUEUES_EVERY = 5_000;

export function claimer({ database, workerId, room, queues, onTaken, trouble }: ClaimerParts): Claimer {
  const at = { db: database };
  const pending = new Set<number>();
  let begun = 0;
  let known: readonly string[] = queues === "*" ? [] : queues;
  let knownAt = Number.NEGATIVE_INFINITY;

  const learnQueues = async () => {
    if (queues !== "*" || performance.now() - knownAt < QUEUES_EVERY) return;
    knownAt = performance.now();
    known = (await findQueues(at, {})).map(({ name }) => name);
  };

  const claim = async (group: Group, most: number, of: readonly string[] | undefined): Promise<MetJob[]> => {
    const number = ++begun;
    pending.add(number);
    room.reserve(group, most);
    try {
      for (let left = TRIES - 1; ; left--) {
        try {
          return await claimJobs(at, { workerId, names: group.names, queues: of, most });
        } catch (error) {
          // Another worker took a job of the same order key at the same moment.
          if (left === 0 || !(error instanceof ConstraintError || error instanceof ConflictError)) throw error;
        }
      }
    } finally {
      pending.delete(number);
      room.reserve(group, -most);
    }
  };

  /** Takes from a group until it has no room, or there is nothing left. */
  const takeFrom = async (group: Group, most: number, of: readonly string[] | undefined) => {
    for (let took = 0; ; ) {
      const count = Math.min(most - took, group.room());
      if (count <= 0) return took;
      const met = await claim(group, count, of);
      const blocked = met.filter((job) => job.blocked).map(({ id }) => id);
      for (const job of met) if (!job.blocked) onTaken(job);
      took += met.length - blocked.length;
      if (blocked.length > 0) await parkJobs(at, { ids: blocked });
      if (blocked.length === 0 || met.length < count) return took;
    }
  };

  return {
    start: learnQueues,
    async take(most, some) {
      const mine = queues === "*" ? some : (some?.filter((queue) => queues.includes(queue)) ?? queues);
      let took = 0;
      try {
        for (const group of room.groups()) {
          if (took >= most) break;
          took += await takeFrom(group, most - took, mine);
        }
        await learnQueues();
        trouble.over();
      } catch (error) {
        trouble.met(error);
      }
      return took;
    },
    queues: () => known,
    untilNow() {
      const last = begun;
      return () => [...pending].every((number) => number > last);
    },
  };
}
