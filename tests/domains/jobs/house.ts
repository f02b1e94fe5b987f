import type { BackstayClient, Job } from "@backstay/client";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { declaredJobs } from "../../../server/kernel/declared-jobs.js";
import { uuidV7Ids } from "../../../server/kernel/ids.js";
import { toDeclaration } from "../../../server/kernel/job-options.js";
import type { Database, Db } from "../../../server/platform/db/db.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import * as store from "../../../server/platform/queue/store.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openDatabase, operator } from "../support.js";

/** A schema that takes `{ n: number }`, as any library's would. */
const NUMBER = {
  "~standard": {
    validate: (value: unknown) =>
      typeof (value as { n?: unknown }).n === "number"
        ? { value }
        : { issues: [{ message: "it must be a number", path: ["n"] }] },
  },
};

/** The jobs that the tests' server knows. */
export function someJobs() {
  const declared = declaredJobs();
  declared.declare(toDeclaration("app.touch", () => {}));
  declared.declare(toDeclaration("app.mail", () => {}, { queue: "mail", maxAttempts: 3, timeout: "30s" }));
  declared.declare(toDeclaration("app.count", () => {}, { args: NUMBER }));
  return declared;
}

/** A server that takes no jobs itself, so that they stay as they are until a test's worker takes them. */
export interface House {
  backstay: TestBackstay;
  /** The client of an administrator. */
  jobs: BackstayClient["jobs"];
  database: Database;
}

/** Starts it for a test file, and empties it of jobs before each test. */
export function jobHouse(): House {
  const house = {} as House;
  beforeAll(async () => {
    house.backstay = await startBackstay(
      { roles: "api,relay", "limits.rate": "off" },
      { overrides: { jobs: someJobs() } },
    );
    house.jobs = operator(house.backstay).jobs;
    const limits = { statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 5_000 };
    house.database = postgresDatabase({ target: { url: house.backstay.databaseUrl }, poolSize: 2, ...limits });
    await house.database.start();
  });
  beforeEach(async () => {
    await openDatabase(house.backstay)`truncate backstay.jobs, backstay.crons, backstay.job_workers`;
    await openDatabase(house.backstay)`update backstay.job_queues set paused_at = null`;
  });
  afterAll(async () => {
    await house.database?.stop();
    await house.backstay?.stop();
  });
  return house;
}

/** A worker's statements, made one by one as the test wants them. */
export async function handWorker({ database: db }: Pick<House, "database">) {
  const workerId = uuidV7Ids().next();
  await store.renewLease({ db }, { workerId, leaseMs: 60_000 });
  const names = someJobs()
    .all()
    .map(({ name }) => name);

  const settle = async (job: store.MetJob, how: { result?: unknown; error?: string; delayMs?: number }) => {
    const { id, fence, orderKey } = job;
    const settled = await store.settleJobs(
      { db },
      {
        workerId,
        ids: [id],
        fences: [String(fence)],
        results: [how.result === undefined ? null : JSON.stringify(how.result)],
        errors: [how.error ?? null],
        delays: [how.delayMs === undefined ? null : String(how.delayMs)],
        progress: [null],
      },
    );
    if (orderKey !== null) await store.wakeNextOfKey({ db }, { orderKeys: [orderKey] });
    return settled.length === 1;
  };

  return {
    /** The due jobs it gets, at most so many. Those that are to wait for others of their order key are parked. */
    async take(most = 10) {
      const wanted = names.map((name) => ({ name, room: most, runner: 0, runner_room: most }));
      const met = await store.claimJobs({ db }, { workerId, wanted, queues: undefined, most, further: 0 });
      const blocked = met.filter((job) => job.blocked).map(({ id }) => id);
      if (blocked.length > 0) await store.parkJobs({ db }, { ids: blocked });
      return met.filter((job) => !job.blocked);
    },
    /** Each answers whether the job was still its own. */
    succeed: (job: store.MetJob, result?: unknown) => settle(job, { result }),
    /** Has it tried again after a while. */
    fail: (job: store.MetJob, error: string, delayMs: number) => settle(job, { error, delayMs }),
    /** Has it not tried again. */
    bury: (job: store.MetJob, error: string) => settle(job, { error }),
    progress: (job: store.MetJob, value: unknown) =>
      store.writeProgress(
        { db },
        { workerId, ids: [job.id], fences: [String(job.fence)], progress: [JSON.stringify(value)] },
      ),
  };
}

/** The ids of jobs, in their order. */
export const idsOf = (jobs: readonly { readonly id: string }[]) => jobs.map(({ id }) => id);

/** A job that was submitted, which the test knows is there. */
export async function submit(
  house: House,
  request: Parameters<BackstayClient["jobs"]["submitJob"]>[0] = {},
): Promise<Job> {
  const { job } = await house.jobs.submitJob({ name: "app.touch", ...request } as typeof request);
  return job!;
}

/** A job that has died of an error after its last attempt. */
export async function submitDead(house: House, request: Parameters<typeof submit>[1] = {}): Promise<Job> {
  const { id } = await submit(house, request);
  const worker = await handWorker(house);
  const taken = await worker.take(100);
  await worker.bury(taken.find((job) => job.id === id)!, "it broke");
  return (await house.jobs.getJob({ id })).job!;
}

/** Thousands of jobs that are finished, a few of them dead, and the database's knowledge of that. */
export async function fillWithFinished({ backstay }: House): Promise<void> {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.jobs (id, name, queue, args, state, due, priority, run_at, holds_key, max_attempts, created_at,
      finished_at)
    select gen_random_uuid(), 'app.touch', 'default', '{}', case when n % 1000 = 0 then 5 else 4 end, false, 0, now(), false, 1,
      now(), now()
    from generate_series(1, 20000) n`;
  await sql`analyze backstay.jobs`;
}

/** How the database would find what a statement asks for. */
export async function planOf({ backstay }: House, ask: (ctx: { db: Db }) => Promise<unknown[]>): Promise<string> {
  const sql = openDatabase(backstay);
  const run = (text: string, values: readonly unknown[]) => sql.unsafe(`explain ${text}`, values as never[]);
  const lines = (await ask({ db: { run } as unknown as Db })) as { "QUERY PLAN": string }[];
  return lines.map((line) => line["QUERY PLAN"]).join("\n");
}
