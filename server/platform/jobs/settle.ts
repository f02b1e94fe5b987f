import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kernel/errors.js";
import { ConflictError, type Database, type Db } from "../db/db.js";
import { describeError, type Log } from "../log.js";
import type { DueJob } from "../queue/queue.js";
import { type SettledJob, settleJobs } from "../queue/store.js";
import { lane } from "./lane.js";
import { keyOf, type Taking } from "./lease.js";
import { KeysHeld, orderKeysOf, wakeNext } from "./waking.js";
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

/**
 * Writes what became of attempts: all that came while the last write was under way with the next. Those of order keys are written
 * apart from the others, since they may have to wait for somebody.
 */
export interface Settler {
  push(settlement: Settlement): void;
  /** Whether what became of a taking is not written yet, or was refused. */
  has(taking: Taking): boolean;
  /** Resolves when everything is written; gives up once the signal fires. */
  drain(signal: AbortSignal): Promise<void>;
}

const RETRY_MS = 250;
/** What is kept of an attempt whose outcome the database refuses in its own words. */
const REFUSED = "what became of the attempt could not be written: the database refused it";

export function settler({ database, workerId, log, onSettled, offer }: SettlerParts): Settler {
  const unwritten = new Set<Settlement>();
  const refused = new Set<string>();
  let ending: AbortSignal | undefined;
  let onWritten = () => {};

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

  const writeFree = async (of: readonly Settlement[]) => tell(of, await send(database, of));

  /** Lets the next of their keys be taken in the same commit. Those whose next one somebody has in hand are written later. */
  const writeOrdered = async (of: readonly Settlement[]): Promise<void> => {
    const write = async (db: Db) => ({ settled: await send(db, of), woken: await wakeNext(db, orderKeysOf(of)) });
    try {
      const { settled, woken } = await database.transaction(write);
      tell(of, settled);
      offer(woken);
    } catch (error) {
      if (!(error instanceof KeysHeld)) throw error;
      const isHeld = ({ orderKey }: Settlement) => error.orderKeys.includes(orderKey!);
      ordered.pushLater(of.filter(isHeld), RETRY_MS);
      for (const one of of) if (!isHeld(one)) ordered.push(one);
    }
  };

  const tell = (of: readonly Settlement[], settled: readonly SettledJob[]) => {
    const found = new Map(settled.map((job) => [job.id, job]));
    for (const settlement of of) {
      forget(settlement);
      onSettled(settlement, found.get(settlement.id));
    }
    offer(of.filter(({ id }) => found.get(id)?.due));
  };

  const forget = (settlement: Settlement) => {
    unwritten.delete(settlement);
    if (unwritten.size === 0) onWritten();
  };

  type Write = (of: readonly Settlement[]) => Promise<void>;
  /** What the database cannot be told now is told later; what it refuses is told alone, and at last given up. */
  const surely = (write: Write): Write => {
    const writeSurely: Write = async (of) => {
      while (!ending?.aborted) {
        try {
          return await write(of);
        } catch (error) {
          if (!isPassing(error)) return writeApart(of, error);
          await sleep(RETRY_MS);
        }
      }
    };
    const writeApart = async (of: readonly Settlement[], error: unknown) => {
      if (of.length === 1) return writeOther(of[0]!, error);
      for (const one of of) await writeSurely([one]);
    };
    const writeOther = async (one: Settlement, error: unknown) => {
      log.error({ job: one.id, ...describeError(error) }, "what became of a job could not be written");
      const other = otherThan(one, error);
      if (other === undefined) refused.add(keyOf(one));
      else unwritten.add(other);
      forget(one);
      if (other !== undefined) await writeSurely([other]);
    };
    return writeSurely;
  };

  const free = lane(surely(writeFree));
  const ordered = lane(surely(writeOrdered));

  return {
    push(settlement) {
      unwritten.add(settlement);
      (settlement.orderKey === null ? free : ordered).push(settlement);
    },
    has: (taking) => refused.has(keyOf(taking)) || [...unwritten].some((one) => keyOf(one) === keyOf(taking)),
    async drain(signal) {
      ending = signal;
      const written = new Promise<void>((resolve) => {
        onWritten = resolve;
      });
      if (unwritten.size > 0) await Promise.race([written, aborted(signal)]);
      if (unwritten.size > 0) log.warn({ jobs: unwritten.size }, "what became of jobs could not be written");
    },
  };
}

/**
 * What is written in place of what the database refuses. Most likely that is its JSON: without it, it is at least known to have
 * failed; then it is all that it says. Undefined when there is nothing left to leave out.
 */
function otherThan(one: Settlement, error: unknown): Settlement | undefined {
  if (one.error === REFUSED) return undefined;
  const hasJson = one.result !== null || one.progress !== null;
  return { ...one, result: null, progress: null, error: hasJson ? wordsOfError(error) : REFUSED, delay: null };
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
