import { DomainError } from "../../kernel/errors.js";
import type { JobDb, NewJob } from "../../kernel/jobs.js";
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
  readonly db: JobDb;
  submit(job: NewJob): Promise<{ id: string; created: boolean }>;
  /**
   * Commits it together with the job's completion. "none" when none was begun: the completion is still to be written. "lost" when
   * the job is no longer the worker's: nothing is kept then. Throws what its first failed statement threw, or the commit.
   */
  complete(result: string | null): Promise<"committed" | "lost" | "none">;
  /** Undoes it. */
  abandon(): Promise<void>;
}

/** So many texts of statements are prepared; a job that makes up its texts runs the rest once, and fills no memory with them. */
const MOST_PREPARED = 1_000;
const prepared = new Set<string>();

export function jobTransaction(parts: TransactionParts): JobTransaction {
  const { transactions, job, submit, signal } = parts;
  const effects: (() => void)[] = [];
  let begun: Promise<Db> | undefined;
  let ended: Promise<void> = Promise.resolve();
  let commit = () => {};
  let undo: (reason: unknown) => void = () => {};
  /** Why nothing can be written any more. */
  let over: (() => unknown) | undefined;
  let failure: { error: unknown } | undefined;
  let last: Promise<unknown> = Promise.resolve();

  const begin = () => {
    signal.addEventListener("abort", onAbort, { once: true });
    begun = new Promise((resolve, reject) => {
      const end = new Promise<void>((yes, no) => {
        commit = yes;
        undo = no;
      });
      end.catch(() => {});
      ended = transactions.transaction(async (db) => {
        await limitTransaction({ db }, { ms: String(job.timeoutMs ?? 0) });
        resolve(db);
        await end;
      }, signal);
      ended.catch(reject);
    });
    begun.catch(() => {});
    return begun;
  };

  const finish = async (reason: () => unknown) => {
    over ??= reason;
    if (begun === undefined) return;
    signal.removeEventListener("abort", onAbort);
    undo(reason());
    await ended.catch(() => {});
  };
  const onAbort = () => void finish(() => signal.reason);

  /** Whatever fails fails the attempt, also when the job catches it: PostgreSQL keeps nothing of such a transaction. */
  const within = <T>(work: (db: Db) => Promise<T>): Promise<T> => {
    const turn = (async () => {
      if (over) throw over();
      signal.throwIfAborted();
      return work(await (begun ?? begin()));
    })();
    last = Promise.allSettled([last, turn]);
    turn.catch((error) => {
      failure ??= { error };
    });
    return turn;
  };

  const complete = async (result: string | null) => {
    const db = await begun!;
    if ((await completeJob({ db }, { ...job, result })).length === 0) return false;
    if (job.orderKey !== null) await wakeNextOfKey({ db }, { orderKeys: [job.orderKey] });
    return true;
  };

  /** After the connection was lost in the commit the row tells what became of it. */
  const isDone = async () => {
    const found = await findHeld({ db: transactions }, job).catch(() => []);
    return found[0]?.state === STATE.succeeded;
  };

  return {
    db: {
      run: <Row>(text: string, values: readonly unknown[] = []) =>
        within((db) => {
          const known = prepared.has(text) || (prepared.size < MOST_PREPARED && prepared.add(text).size > 0);
          return db.run<Row>(text, values, known ? "prepared" : "once");
        }),
    },
    submit: (job) =>
      within(async (db) => {
        const [submitted] = await submit({ db, afterCommit: (effect) => void effects.push(effect) }, [job]);
        return { id: submitted!.job.id, created: submitted!.created };
      }),
    async complete(result) {
      await last;
      if (over) throw over();
      over = hasEnded;
      if (begun === undefined) return "none";
      let committing = false;
      try {
        if (failure) throw failure.error;
        if (!(await complete(result))) {
          await finish(hasEnded);
          return "lost";
        }
        signal.removeEventListener("abort", onAbort);
        committing = true;
        commit();
        await ended;
      } catch (error) {
        await finish(() => error);
        if (!committing || !(await isDone())) throw error;
      }
      for (const effect of effects) effect();
      return "committed";
    },
    abandon: () => finish(hasEnded),
  };
}

function hasEnded(): DomainError {
  return new DomainError("JOB_LOST", "The job's attempt has ended: nothing that it writes is kept.");
}
