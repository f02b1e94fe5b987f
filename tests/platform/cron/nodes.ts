import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { inject, onTestFinished, type TestContext } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { uuidV7Ids } from "../../../server/kernel/ids.js";
import type { CronDeclaration, JobDeclaration } from "../../../server/kernel/jobs.js";
import { memoryBus } from "../../../server/platform/bus/memory.js";
import { type CronScheduler, cronScheduler } from "../../../server/platform/cron/scheduler.js";
import type { Db } from "../../../server/platform/db/db.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import type { Log } from "../../../server/platform/log.js";
import type { DueJob } from "../../../server/platform/queue/queue.js";
import { createDatabaseOn } from "../../support/postgres.js";
import "../../support/provided.js";

/** A migrated database of the test's own, and what was submitted to it. */
export interface CronHouse {
  readonly url: string;
  readonly sql: postgres.Sql;
  /** The bus that all nodes share which are not made deaf. */
  readonly bus: ReturnType<typeof memoryBus>;
  /** What the nodes told of, as warnings and worse. */
  readonly complaints: object[];
  /** What the nodes offered to workers. */
  readonly offered: DueJob[];
  /** Makes a node with some crons; it runs when it is started. */
  node(crons: readonly Partial<CronDeclaration>[], terms?: NodeTerms): Promise<CronScheduler>;
  /** The times that jobs were submitted for, and how late each was, in milliseconds of the database's clock. */
  fired(cronId: string): Promise<{ tick: Date; late: number }[]>;
  row(cronId: string): Promise<CronState | undefined>;
}

export interface NodeTerms {
  /** Stands between the node and its database. */
  over?: (database: Db) => Db;
  /** Whether it hears nothing of the others. */
  deaf?: boolean;
  jobs?: readonly Partial<JobDeclaration>[];
}

export interface CronState {
  nextAt: Date | null;
  lastAt: Date | null;
  lastJobId: string | null;
  seenAt: Date;
  expression: string;
  args: object;
}

export const JOB: JobDeclaration = {
  name: "app.tick",
  run: () => {},
  queue: "default",
  maxAttempts: 3,
  timeoutMs: undefined,
  concurrency: undefined,
  backoffMs: () => 1_000,
  inside: false,
  check: async (args) => ({ args }),
};

const CRON: CronDeclaration = {
  id: "app.tick",
  expression: "* * * * * *",
  timeZone: "UTC",
  job: "app.tick",
  args: {},
  queue: undefined,
  missed: "one",
};

/** Makes a house for a test; one that runs beside others says which it is. */
export async function openCronHouse(
  test: Pick<TestContext, "onTestFinished"> = { onTestFinished },
): Promise<CronHouse> {
  const data = await createDatabaseOn(inject("postgres18"), inject("template"));
  const ends: (() => Promise<void>)[] = [() => data.drop()];
  test.onTestFinished(async () => {
    for (const end of ends.reverse()) await end();
  });
  const sql = postgres(data.url, { max: 4, onnotice: () => {}, transform: { column: { from: postgres.toCamel } } });
  ends.push(() => sql.end({ timeout: 1 }));
  const complaints: object[] = [];
  const offered: DueJob[] = [];
  const complain = (facts: object, message: string) => void complaints.push({ ...facts, message });
  const log: Log = { debug() {}, info() {}, warn: complain, error: complain, flush() {} };
  const bus = memoryBus((error) => complaints.push({ error }));
  return {
    url: data.url,
    sql,
    bus,
    complaints,
    offered,
    async node(crons, { over = (database: Db) => database, deaf = false, jobs = [{}] } = {}) {
      const limits = { poolSize: 2, statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
      const database = postgresDatabase({ target: { url: data.url }, ...limits });
      await database.start();
      ends.push(() => database.stop());
      const declared = declaredJobs();
      for (const job of jobs) declared.declare({ ...JOB, ...job });
      for (const cron of crons) declared.declareCron({ ...CRON, ...cron });
      const scheduler = cronScheduler({
        database: over(database),
        declared,
        ids: uuidV7Ids(),
        bus: deaf ? memoryBus(() => {}) : bus,
        log,
        offer: (due) => offered.push(...due),
      });
      ends.push(() => scheduler.stop());
      return scheduler;
    },
    async fired(cronId) {
      return [
        ...(await sql<{ tick: Date; late: number }[]>`
          select cron_tick as tick, (extract(epoch from created_at - cron_tick) * 1000)::float8 as late
          from backstay.jobs where cron_id = ${cronId} order by cron_tick`),
      ];
    },
    async row(cronId) {
      const [row] = await sql<CronState[]>`
        select next_at, last_at, replace(last_job_id::text, '-', '') as last_job_id, seen_at, expression, args
        from backstay.crons where id = ${cronId}`;
      return row;
    },
  };
}

/** A job of a cron that was fired before, in a database. */
export async function insertFired(sql: postgres.Sql, cronId: string, tick: Date): Promise<void> {
  await sql`insert into backstay.jobs (id, name, queue, args, due, priority, run_at, holds_key, max_attempts, cron_id, cron_tick,
      created_at)
    values (${randomUUID()}, 'app.tick', 'default', '{}', true, 0, now(), false, 1, ${cronId}, ${tick}, now())`;
}
