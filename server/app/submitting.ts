import type { Ports } from "../context.js";
import type { JobDb, NewJob } from "../kernel/jobs.js";
import { runAppStatement } from "../platform/db/app-statement.js";

/** A job that was submitted, or holds the unique key. */
export interface SubmittedJob {
  readonly id: string;
  /** Whether it was submitted now. */
  readonly created: boolean;
}

/** A transaction of the app's own. */
export interface AppTransaction {
  readonly db: JobDb;
  submit(job: NewJob): Promise<SubmittedJob>;
}

/** How an app's code submits jobs. */
export interface Submitting {
  /** Submits a job; resolves when it is committed. Rejects with the DomainErrors of SubmitJob. */
  submit(job: NewJob): Promise<SubmittedJob>;
  /** Runs `work` in a transaction: what it writes and submits is kept together, or not at all. */
  transaction<T>(work: (tx: AppTransaction) => Promise<T>): Promise<T>;
}

/** By the database of this process. */
export function submitting(database: Ports["database"], submitAll: Ports["jobs"]["submit"]): Submitting {
  const submit = async (ctx: Parameters<typeof submitAll>[0], job: NewJob): Promise<SubmittedJob> => {
    const [submitted] = await submitAll(ctx, [job]);
    return { id: submitted!.job.id, created: submitted!.created };
  };
  return {
    submit: (job) => submit({ db: database, afterCommit: (effect) => effect() }, job),
    async transaction(work) {
      const effects: (() => void)[] = [];
      const result = await database.transaction((db) => {
        const ctx = { db, afterCommit: (effect: () => void) => void effects.push(effect) };
        const run: JobDb["run"] = (text, values) => runAppStatement(db, text, values);
        return work({ db: { run }, submit: (job) => submit(ctx, job) });
      });
      for (const effect of effects) effect();
      return result;
    },
  };
}
