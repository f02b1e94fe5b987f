import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { openDatabase } from "../support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "jobs.retention": "2h", "jobs.dead_retention": "4h" });
});
afterAll(() => backstay.stop());

const names = { queued: 1, running: 2, retrying: 3, succeeded: 4, dead: 5, cancelled: 6 } as const;

it("finished jobs are forgotten when they were kept long enough, dead ones later; those that are not finished never", async () => {
  const sql = openDatabase(backstay);
  const add = (name: string, state: number, hours: number, count = 1, unique = "") => sql`
    insert into backstay.jobs (id, name, queue, args, state, due, priority, run_at, unique_key, holds_key, unique_until,
      max_attempts, created_at, finished_at)
    select gen_random_uuid(), ${name}, 'kept', '{}', ${state}, false, 0, now() + interval '1 day', ${unique || null},
      ${unique !== ""}, ${unique === "" ? null : sql`now() + interval '1 hour'`}, 1, now() - interval '1 year',
      case when ${state} in (4, 5, 6) then now() - ${hours} * interval '1 hour' end
    from generate_series(1, ${count})`;
  await add("gone", names.succeeded, 3, 12_000);
  await add("gone", names.cancelled, 3);
  await add("gone", names.dead, 5);
  await add("young", names.succeeded, 1);
  await add("young", names.cancelled, 1);
  await add("letter", names.dead, 3);
  await add("unique", names.succeeded, 3, 1, "somebody's");
  await add("waiting", names.queued, 3);
  await add("waiting", names.retrying, 3);
  await runJob(backstay, "backstay.jobs.prune");
  const left =
    await sql`select name, count(*)::int from backstay.jobs where queue = 'kept' group by name order by name`;
  expect(left.map(({ name, count }) => [name, count])).toEqual([
    ["letter", 1],
    ["unique", 1],
    ["waiting", 2],
    ["young", 2],
  ]);
});

it("crons are forgotten that nobody has declared for a day", async () => {
  const sql = openDatabase(backstay);
  await sql`insert into backstay.crons (id, expression, time_zone, job_name, args, missed, seen_at)
    select 'app.' || hours, '0 0 * * *', 'UTC', 'app.gone', '{}', 'one', now() - hours * interval '1 hour'
    from unnest(array[23, 25]) as hours`;
  await runJob(backstay, "backstay.crons.prune");
  const left = await sql`select id from backstay.crons where id like 'app.%'`;
  expect(left.map(({ id }) => id)).toEqual(["app.23"]);
});

it("crons are kept while no node says that it has any: it may be that all were away", async () => {
  const sql = openDatabase(backstay);
  await sql`update backstay.crons set seen_at = now() - interval '2 days'`;
  await runJob(backstay, "backstay.crons.prune");
  const [left] = await sql`select count(*)::int from backstay.crons where id = 'backstay.crons.prune'`;
  expect(left?.count).toBe(1);
});
