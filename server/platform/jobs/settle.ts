import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kernel/errors.js";
import { ConflictError, type Database, type Db } from "../db/db.js";
import { describeError, type Log } from "../log.js";
import type { DueJob } from "../queue/queue.js";
import { type SettledJob, settleJobs, wakeNextOfKey } from "../queue/store.js";
import type { Taking } from "./lease.js";
import { wordsOfError } from "./words.js";

/** What is to be written of an attempt. */
export interface Settlement {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly fence: number;
  readonly attempt: number;
  readonly orderKey: string | null;
  /** JSON. */
  readonly result: string | null;
  /** Null when it succeeded. */
  readonly error: string | null;
  /** Milliseconds until the next attempt; null when there shall be none. */
  readonly delay: number | null;
  /** JSON; null when nothing new was said. */
  readonly progress: string | null;
}

export interface SettlerParts {
  database: Database;
  workerId: string;
  log: Log;
  /** Told what was written; undefined when the job was no longer the worker's. */
  onSettled(settlement: Settlement, job: SettledJob | undefined): void;
  offer(due: readonly DueJob[]): void;
}

/** Writes what became of attempts: all that came while the last write was under way with the next. */
export interface Settler {
  push(settlement: Settlement): void;
  /** Whether what became of a taking is not written yet. */
  has(taking: Taking): boolean;
  /** Resolves when everything is written; gives up once the signal fires. */
  drain(signal: AbortSignal): Promise<void>;
}

/** Most attempts of one write. */
const MOST = 1_000;
const RETRY_MS = 250;

export function settler({ database, workerId, log, onSettled, offer }: SettlerParts): Settler {
  const queue: Settlement[] = [];
  let writing: Settlement[] = [];
  let work: Promise<void> | undefined;
  let ending: AbortSignal | undefined;

  const send = (db: Db, of: readonly Settlement[]) =>
    settleJobs(
      { db },
      {
        workerId,
        ids: of.map(({ id }) => id),
        fences: of.map(({ fence }) => String(fence)),
        results: of.map(({ result }) => result),
        errors: of.map(({ error }) => error),
        delays: of.map(({ delay }) => (delay === null ? null : String(delay))),
        progress: of.map(({ progress }) => progress),
      },
    );

  /** Those with an order key let the next of their keys be taken in the same commit. */
  const writeOrdered = (of: readonly Settlement[]) =>
    database.transaction(async (db) => {
      const settled = await send(db, of);
      const orderKeys = [...new Set(of.map(({ orderKey }) => orderKey!))].sort();
      return { settled, woken: await wakeNextOfKey({ db }, { orderKeys }) };
    });

  const write = async (of: readonly Settlement[]) => {
    if (of[0]!.orderKey === null) return tell(of, await send(database, of));
    const { settled, woken } = await writeOrdered(of);
    tell(of, settled);
    offer(woken);
  };

  const tell = (of: readonly Settlement[], settled: readonly SettledJob[]) => {
    const found = new Map(settled.map((job) => [job.id, job]));
    for (const settlement of of) onSettled(settlement, found.get(settlement.id));
    offer(of.filter(({ id }) => found.get(id)?.due));
  };

  /** What the database cannot be told now is told later; what it refuses is told alone, and at last given up. */
  const writeSurely = async (of: readonly Settlement[]): Promise<void> => {
    for (;;) {
      try {
        return await write(of);
      } catch (error) {
        if (ending?.aborted) return log.warn(describeError(error), "what became of jobs could not be written");
        if (!isPassing(error)) return writeApart(of, error);
        await sleep(RETRY_MS);
      }
    }
  };

  const writeApart = async (of: readonly Settlement[], error: unknown) => {
    const [first, second] = of;
    if (second !== undefined) {
      for (const one of of) await writeSurely([one]);
      return;
    }
    log.error({ job: first!.id, ...describeError(error) }, "what became of a job could not be written");
    // Most likely its JSON is what the database does not take: without it, it is at least known to have failed.
    if (first!.result === null && first!.progress === null) return;
    await writeSurely([{ ...first!, result: null, progress: null, error: wordsOfError(error), delay: null }]);
  };

  const run = async () => {
    // What ends in the same turn of the event loop is written together.
    await new Promise(setImmediate);
    while (queue.length > 0) {
      writing = queue.splice(0, MOST);
      const free = writing.filter(({ orderKey }) => orderKey === null);
      const ordered = writing.filter(({ orderKey }) => orderKey !== null);
      if (free.length > 0) await writeSurely(free);
      if (ordered.length > 0) await writeSurely(ordered);
      writing = [];
    }
    work = undefined;
  };

  return {
    push(settlement) {
      queue.push(settlement);
      work ??= run();
    },
    has: ({ id, fence }) => [...writing, ...queue].some((one) => one.id === id && one.fence === fence),
    async drain(signal) {
      ending = signal;
      await Promise.race([work, aborted(signal)]);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function isPassing(error: unknown): boolean {
  if (error instanceof ConflictError) return true;
  return error instanceof DomainError && (error.reason === "DATABASE_UNAVAILABLE" || error.reason === "QUERY_TIMEOUT");
}
