import { afterAll, beforeAll, describe, it, vi } from "vitest";
import { uuidV7Ids } from "../../server/kernel/ids.js";
import { migrate } from "../../server/platform/db/migrate.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import { postgresQueue } from "../../server/platform/queue/postgres.js";
import { claimJobs, renewLease, settleJobs } from "../../server/platform/queue/store.js";
import { exerciseQueue } from "./exercise-queue.js";
import { SERVERS, type Server } from "./servers.js";

// Beside another server's tests each takes longer than alone.
vi.setConfig({ testTimeout: 60_000 });

const WANTED = { name: "test.job", room: 10, runner: 0, runner_room: 10 };

// The servers side by side; on each of them one test after the other.
describe.concurrent.each(SERVERS)("the queue of %s", (_, open) => {
  let server: Server;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server?.stop());

  const openDatabase = async () => {
    const { url, drop } = await server.createDatabase();
    await migrate({ url });
    return { url, close: drop };
  };

  it.sequential("reads little of the table to take jobs and to finish them, also when a moment ago it was empty", async ({
    expect,
    onTestFinished,
  }) => {
    const { url, close } = await openDatabase();
    const limits = { statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 2_000 };
    const database = postgresDatabase({ target: { url }, poolSize: 1, ...limits });
    onTestFinished(() => database.stop().then(close));
    await database.start();
    const at = { db: database };
    const readByNow = async () => {
      await database.run("select pg_stat_force_next_flush()", []);
      await database.run("select pg_stat_clear_snapshot()", []);
      const read = "select seq_tup_read::int as read from pg_stat_user_tables where relname = 'jobs'";
      return (await database.run<{ read: number }>(read, []))[0]!.read;
    };
    const workerId = uuidV7Ids().next();
    const claim = () => claimJobs(at, { workerId, wanted: [WANTED], queues: undefined, most: 10, further: 0 });
    const finish = (jobs: Awaited<ReturnType<typeof claim>>) => {
      const nothing = jobs.map(() => null);
      const [ids, fences] = [jobs.map(({ id }) => id), jobs.map(({ fence }) => String(fence))];
      return settleJobs(at, {
        workerId,
        ids,
        fences,
        results: nothing,
        errors: nothing,
        delays: nothing,
        progress: nothing,
      });
    };
    await renewLease(at, { workerId, leaseMs: 60_000 });
    await database.run("insert into backstay.job_queues values ('default')", []);
    for (let n = 0; n < 10; n++) await finish(await claim());
    await database.run(
      `insert into backstay.jobs (id, name, queue, args, due, priority, run_at, max_attempts, holds_key, created_at)
        select gen_random_uuid(), 'test.job', 'default', '{}', true, 0, now(), 1, false, now() from generate_series(1, 5000)`,
      [],
    );
    const before = await readByNow();
    for (let n = 0; n < 10; n++) expect(await finish(await claim())).toHaveLength(10);
    expect((await readByNow()) - before).toBeLessThan(1_000);
  });

  describe.sequential("with its workers", () =>
    exerciseQueue(openDatabase, async ({ bus }) => ({ queue: postgresQueue({ bus }), close: async () => {} })));
});
