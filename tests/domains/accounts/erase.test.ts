import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { curl, curlRefused, openDatabase, operatorToken } from "../support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

/** Waits until the first erasure is done, and the second waits for its time. */
async function isErasedFirst(accountId: string): Promise<void> {
  const sql = openDatabase(backstay);
  const states = async () => {
    const rows = await sql`select state, run_at > created_at + interval '50 seconds' as later from backstay.jobs
      where name = 'backstay.accounts.erase' and args->>'accountId' = ${accountId} order by run_at`;
    return rows.map(({ state, later }) => [state, later]);
  };
  await expect.poll(states, { timeout: 5_000 }).toEqual([
    [4, false],
    [1, true],
  ]);
}

it("the rest of a deleted account is erased at once, and again when whoever wrote meanwhile is done", async () => {
  const { id, client } = await backstay.signUp();
  await client.accounts.deleteAccount({ id: "me" });
  await isErasedFirst(id);
});

it("takes what was written of it while it was deleted", async () => {
  const sql = openDatabase(backstay);
  const { id, client } = await backstay.signUp();
  await client.accounts.deleteAccount({ id: "me" });
  await isErasedFirst(id);
  const topic = `account/${id}`;
  // As a transaction does that began before the deletion and ends after it.
  await sql`insert into backstay.outbox (id, topics, type, data, created_at)
    values (gen_random_uuid(), array[${topic}], 'diary.entry', '{}', now())`;
  const count = async () => {
    const [row] = await sql`select count(*)::int from backstay.events where topic = ${topic}`;
    return row?.count;
  };
  await expect.poll(count, { timeout: 5_000 }).toBe(1);
  await runJob(backstay, "backstay.accounts.erase", { accountId: id });
  expect(await count()).toBe(0);
});

it("leaves an account that is there alone", async () => {
  const sql = openDatabase(backstay);
  const { id, client } = await backstay.signUp();
  await client.events.publish({ type: "diary.entry", data: {} });
  const job = { name: "backstay.accounts.erase", args: { accountId: id } };
  const { job: submitted } = await curl<{ job: { id: string } }>(
    backstay,
    "jobs.v1.JobService/SubmitJob",
    job,
    operatorToken(backstay),
  );
  const outcome = async () => {
    const [row] = await sql`select state, last_error from backstay.jobs where id = ${submitted.id}`;
    return { ...row };
  };
  await expect.poll(outcome, { timeout: 5_000 }).toEqual({ state: 5, last_error: expect.stringContaining("is there") });
  expect((await client.accounts.getAccount({})).account?.id).toBe(id);
  const [row] = await sql`select count(*)::int from backstay.events where topic = ${`account/${id}`}`;
  expect(row?.count).toBeGreaterThan(0);
});

it.each([{}, { accountId: "me" }, { accountId: 5 }])("does not take %j for an account", async (args) => {
  const job = { name: "backstay.accounts.erase", args };
  const refused = await curlRefused(backstay, "jobs.v1.JobService/SubmitJob", job, operatorToken(backstay));
  expect(refused).toMatchObject({ reason: "INVALID_ARGS" });
});
