import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kernel/errors.js";
import type { NewJob } from "../../kernel/jobs.js";
import { runAppStatement } from "../db/app-statement.js";
import type { Database, Db } from "../db/db.js";
import type { ClaimedJob, DueJob } from "../queue/queue.js";
import { STATE } from "../queue/schema.js";
import { completeJob, findHeld, limitTransaction, touchTransaction } from "../queue/store.js";
import type { JobLine } from "./runner.js";
import type { Submit } from "./submit.js";
import { KeysHeld, orderKeysOf, wakeNext } from "./waking.js";

export interface TransactionParts {
  /** Has a connection for every job that may run at once. */
  transactions: Database;
  /** As its worker has it, with the time it may take. */
  job: ClaimedJob;
  submit: Submit;
  /** What is not committed when its signal fires is undone. */
  line: Pick<JobLine, "signal" | "heartbeat">;
}

/** The transaction of one attempt, which begins when it is needed. */
export interface JobTransaction {
  /** See JobDb. */
  run<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  submit(job: NewJob): Promise<{ id: string; created: boolean }>;
  /** Keeps it open for the job's time from now on, if one was begun. Does not wait, as a statement may be under way. */
  touch(): void;
  /**
   * Commits it together with the job's completion. "none" when none was begun: the completion is still to be written. "lost" when
   * the job is no longer the worker's: nothing is kept then. Else it is committed, and answers the jobs that are due by that. Throws
   * what its first failed statement threw, or the commit.
   */
  complete(result: string | null): Promise<{ woken: readonly DueJob[] } | "lost" | "none">;
  /** Undoes it. */
  abandon(): Promise<void>;
}

/** Milliseconds between two tries to let the next of an order key go, while somebody has it in hand. */
const PAUSE_MS = 100;

export function jobTransaction(parts: TransactionParts): JobTransaction {
  return new Transaction(parts);
}

/** A transaction that is open. */
interface Open {
  readonly db: Promise<Db>;
  /** Resolves when it is committed. */
  readonly ended: Promise<void>;
  commit(): void;
  undo(reason: unknown): void;
}

/** A class, since most jobs begin no transaction, and nothing but its fields is made for those. */
class Transaction implements JobTransaction {
  readonly #parts: TransactionParts;
  #open: Open | undefined;
  /** Why nothing can be written any more. */
  #over: (() => unknown) | undefined;
  #failure: { error: unknown } | undefined;
  #last: Promise<unknown> | undefined;
  #effects: (() => void)[] = [];

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  run<Row>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.#within((db) => runAppStatement<Row>(db, text, values));
  }

  submit(job: NewJob): Promise<{ id: string; created: boolean }> {
    return this.#within(async (db) => {
      const ctx = { db, afterCommit: (effect: () => void) => void this.#effects.push(effect) };
      const [submitted] = await this.#parts.submit(ctx, [job]);
      return { id: submitted!.job.id, created: submitted!.created };
    });
  }

  touch(): void {
    if (this.#open !== undefined && this.#over === undefined) void this.#within((db) => touchTransaction({ db }, {}));
  }

  async complete(result: string | null): ReturnType<JobTransaction["complete"]> {
    await this.#last;
    if (this.#over) throw this.#over();
    this.#over = hasEnded;
    const open = this.#open;
    if (open === undefined) return "none";
    let committing = false;
    let woken: readonly DueJob[] = [];
    try {
      if (this.#failure) throw this.#failure.error;
      const completed = await this.#complete(await open.db, result);
      if (completed === undefined) {
        await this.#finish(hasEnded());
        return "lost";
      }
      woken = completed;
      committing = true;
      open.commit();
      await open.ended;
    } catch (error) {
      await this.#finish(error);
      if (!committing || !(await this.#isDone())) throw error;
    } finally {
      this.#parts.line.signal.removeEventListener("abort", this);
    }
    for (const effect of this.#effects) effect();
    return { woken };
  }

  async abandon(): Promise<void> {
    this.#over ??= hasEnded;
    this.#parts.line.signal.removeEventListener("abort", this);
    if (this.#open !== undefined) await this.#finish(hasEnded());
  }

  /** The signal fired. */
  handleEvent(): void {
    const { reason } = this.#parts.line.signal;
    this.#over ??= () => reason;
    void this.#finish(reason);
  }

  /** Whatever fails fails the attempt, also when the job catches it: PostgreSQL keeps nothing of such a transaction. */
  #within<T>(work: (db: Db) => Promise<T>): Promise<T> {
    const turn = this.#run(work);
    this.#last = Promise.allSettled([this.#last, turn]);
    turn.catch((error) => {
      this.#failure ??= { error };
    });
    return turn;
  }

  async #run<T>(work: (db: Db) => Promise<T>): Promise<T> {
    if (this.#over) throw this.#over();
    this.#parts.line.signal.throwIfAborted();
    this.#open ??= this.#begin();
    return work(await this.#open.db);
  }

  #begin(): Open {
    const { transactions, job } = this.#parts;
    const { signal } = this.#parts.line;
    const opened = defer<Db>();
    const end = defer<void>();
    const ended = transactions.transaction(async (db) => {
      await limitTransaction({ db }, { ms: String(job.timeoutMs ?? 0) });
      opened.resolve(db);
      await end.promise;
    }, signal);
    ended.catch(opened.reject);
    signal.addEventListener("abort", this);
    return { db: opened.promise, ended, commit: end.resolve, undo: end.reject };
  }

  /** Nothing when the job is no longer the worker's. */
  async #complete(db: Db, result: string | null): Promise<readonly DueJob[] | undefined> {
    const { job, line } = this.#parts;
    if ((await completeJob({ db }, { ...job, result })).length === 0) return undefined;
    for (;;) {
      try {
        return await wakeNext(db, orderKeysOf([job]));
      } catch (error) {
        if (!(error instanceof KeysHeld)) throw error;
      }
      // That the next one is held is not this job's fault, nor is the time that takes.
      await line.heartbeat();
      await sleep(PAUSE_MS, undefined, { signal: line.signal });
    }
  }

  async #finish(reason: unknown): Promise<void> {
    this.#open?.undo(reason);
    await this.#open?.ended.catch(() => {});
  }

  /** After the connection was lost in the commit the row tells what became of it. */
  async #isDone(): Promise<boolean> {
    const { transactions, job } = this.#parts;
    const found = await findHeld({ db: transactions }, job).catch(() => []);
    return found[0]?.state === STATE.succeeded;
  }
}

function hasEnded(): DomainError {
  return new DomainError("JOB_LOST", "The job's attempt has ended: nothing that it writes is kept.");
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** A promise that may be rejected before anybody waits for it. */
function defer<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, "promise"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, ...settle! };
}
