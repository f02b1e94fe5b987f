import { declaredJobs } from "../../server/kernel/declared-jobs.js";
import { uuidV7Ids } from "../../server/kernel/ids.js";
import type { DeclaredJobs, JobDeclaration } from "../../server/kernel/jobs.js";
import type { Bus } from "../../server/platform/bus/bus.js";
import type { Database } from "../../server/platform/db/index.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import { insideRunner } from "../../server/platform/jobs/inside-runner.js";
import { createSubmit } from "../../server/platform/jobs/submit.js";
import { type JobWorker, jobWorker } from "../../server/platform/jobs/worker.js";
import type { Log } from "../../server/platform/log.js";
import type { Queue } from "../../server/platform/queue/queue.js";

/** What a queue is made of in a node of a test. */
export interface QueueParts {
  url: string;
  database: Database;
  bus: Bus;
  log: Log;
}

/** Makes a node's queue: not started yet, which the node's worker does. `close` ends what else belongs to it. */
export type OpenQueue = (parts: QueueParts) => Promise<{ queue: Queue; close(): Promise<void> }>;

/** One process of an installation that works jobs off. */
export interface QueueNode {
  database: Database;
  queue: Queue;
  worker: JobWorker;
  declared: DeclaredJobs;
  submit: ReturnType<typeof createSubmit>;
  /** What the node warned of. */
  complaints: { message: string; [fact: string]: unknown }[];
  /** From now on no statement of this node reaches the database, until `revive`; nothing is said to anybody. */
  freeze(): void;
  revive(): void;
  stop(): Promise<void>;
}

export interface QueueNodeTerms {
  url: string;
  bus: Bus;
  openQueue: OpenQueue;
  jobs: readonly Partial<JobDeclaration>[];
  queues?: "*" | readonly string[];
  concurrency?: number;
  /** How many of the server's own jobs run at once; together with the others when absent. */
  inside?: number;
  lease?: number;
  timeout?: number;
  drainMs?: number;
  /** What stands between the worker, or the jobs' transactions, and the database. */
  over?: (database: Database) => Database;
  overTransactions?: (database: Database) => Database;
  /** Whether it works jobs off; else it only submits them. */
  works?: boolean;
}

/** A job as declarations are at their simplest. */
function jobOf(job: Partial<JobDeclaration>): JobDeclaration {
  return {
    name: "test.job",
    run: () => {},
    queue: "default",
    maxAttempts: 5,
    timeoutMs: undefined,
    concurrency: undefined,
    backoffMs: () => 50,
    inside: false,
    check: async (args) => ({ args }),
    ...job,
  };
}

/** Starts a node on a migrated database. */
export async function startQueueNode(terms: QueueNodeTerms): Promise<QueueNode> {
  const { url, bus, over = (database) => database, overTransactions = (database) => database } = terms;
  const limits = { statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
  const size = terms.concurrency ?? 10;
  const [database, transactions] = [10, 2 * Math.min(size, 50)].map((poolSize) =>
    postgresDatabase({ target: { url }, poolSize, ...limits }),
  ) as [Database, Database];
  const complaints: QueueNode["complaints"] = [];
  const complain = (facts: object, message: string) => complaints.push({ ...facts, message });
  const log: Log = { debug() {}, info() {}, warn: complain, error: complain, flush() {} };
  const declared = declaredJobs();
  for (const job of terms.jobs) declared.declare(jobOf(job));
  const ids = uuidV7Ids();

  let thaw: (() => void) | undefined;
  let frozen: Promise<void> | undefined;
  const freezing = (real: Database): Database => ({
    ...real,
    run: async (text, values, use) => {
      await frozen;
      return real.run(text, values, use);
    },
    transaction: async (work, signal) => {
      await frozen;
      return real.transaction(
        (db) =>
          work({
            run: async (text, values, use) => {
              await frozen;
              return db.run(text, values, use);
            },
          }),
        signal,
      );
    },
  });

  await Promise.all([database.start(), transactions.start()]);
  const { queue, close } = await terms.openQueue({ url, database: freezing(database), bus, log });
  const submit = createSubmit({ database, declared, ids, offer: queue.offer });
  const runnerOf = (size: number) =>
    insideRunner({ declared, transactions: overTransactions(freezing(transactions)), size, submit });
  const app = runnerOf(size);
  const worker = jobWorker({
    database: over(freezing(database)),
    declared,
    queue,
    bus,
    ids,
    log,
    runners: { inside: terms.inside === undefined ? app : runnerOf(terms.inside), app },
    queues: terms.queues ?? "*",
    lease: terms.lease ?? 20_000,
    timeout: terms.timeout ?? 60_000,
    drainMs: terms.drainMs ?? 7_000,
  });
  if (terms.works ?? true) await worker.start();
  else await queue.start({ free: () => 0, take: async () => 0, queues: () => [] });
  const node: QueueNode = {
    database,
    queue,
    worker,
    declared,
    submit,
    complaints,
    freeze() {
      frozen ??= new Promise((resolve) => {
        thaw = resolve;
      });
    },
    revive() {
      thaw?.();
      frozen = undefined;
    },
    async stop() {
      node.revive();
      await worker.stop();
      if (terms.works === false) await queue.stop();
      await close();
      await Promise.all([database.stop(), transactions.stop()]);
    },
  };
  return node;
}
