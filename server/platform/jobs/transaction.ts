import { DomainError } from "../../kernel/errors.js";
import type { NewJob } from "../../kernel/jobs.js";
import { runAppStatement } from "../db/app-statement.js";
import type { Database, Db } from "../db/db.js";
import type { ClaimedJob } from "../queue/queue.js";
import { STATE } from "../queue/schema.js";
import { completeJob, findHeld, limitTransaction, wakeNextOfKey } from "../queue/store.js";
import type { Submit } from "./submit.js";

export interface TransactionParts {
  /** Has a connection for every job that may run at once. */
  transactions: Database;
  /** As its worker has it, with the time it may take. */
  job: ClaimedJob;
  submit: Submit;
  /** Undoes what is not committed when it fires. */
  signal: AbortSignal;
}

/** The transaction of one attempt, which begins when it is needed. */
export interface JobTransaction {
  /** See JobDb. */
  run<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  submit(job: NewJob): Promise<{ id: string; created: boolean }>;
  /**
   * Commits it together with the job's completion. "none" when none was begun: the completion is still to be written. "lost" when
   * the job is no longer the worker's: nothing is kept then. Throws what its first failed statement threw, or the commit.
   */
  complete(result: string | null): Promise<"committed" | "lost" | "none">;
  /** Undoes it. */
  abandon(): Promise<void>;
}

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

  async complete(result: string | null): Promise<"committed" | "lost" | "none"> {
    await this.#last;
    if (this.#over) throw this.#over();
    this.#over = hasEnded;
    const open = this.#open;
    if (open === undefined) return "none";
    let committing = false;
    try {
      if (this.#failure) throw this.#failure.error;
      if (!(await this.#complete(await open.db, result))) {
        await this.#finish(hasEnded());
        return "lost";
      }
      committing = true;
      open.commit();
      await open.ended;
    } catch (error) {
      await this.#finish(error);
      if (!committing || !(await this.#isDone())) throw error;
    } finally {
      this.#parts.signal.removeEventListener("abort", this);
    }
    for (const effect of this.#effects) effect();
    return "committed";
  }

  async abandon(): Promise<void> {
    this.#over ??= hasEnded;
    this.#parts.signal.removeEventListener("abort", this);
    if (this.#open !== undefined) await this.#finish(hasEnded());
  }

  /** The signal fired. */
  handleEvent(): void {
    const { reason } = this.#parts.signal;
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
    this.#parts.signal.throwIfAborted();
    this.#open ??= this.#begin();
    return work(await this.#open.db);
  }

  #begin(): Open {
    const { transactions, job, signal } = this.#parts;
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

  async #complete(db: Db, result: string | null): Promise<boolean> {
    const { job } = this.#parts;
    if ((await completeJob({ db }, { ...job, result })).length === 0) return false;
    if (job.orderKey !== null) await wakeNextOfKey({ db }, { orderKeys: [job.orderKey] });
    return true;
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
