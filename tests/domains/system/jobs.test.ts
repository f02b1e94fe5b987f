import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { openDatabase, operatorToken } from "../support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

it("idempotency keys are forgotten after a day, however many, and not before", async () => {
  const sql = openDatabase(backstay);
  const key = randomUUID();
  const create = () =>
    call(
      backstay.url,
      "accounts.v1.AccountService/CreateAccount",
      { login: key, secret: `secret of ${key}`, name: "K" },
      {
        "idempotency-key": key,
      },
    );
  const made = await create();
  expect(made.status).toBe(200);
  await sql`update backstay.idempotency_keys set created_at = now() - interval '23 hours'`;
  await sql`insert into backstay.idempotency_keys
    select 'test', n::text, 'hash', gen_random_uuid(), now() - interval '25 hours' from generate_series(1, 12000) as n`;
  await runJob(backstay, "backstay.idempotency.prune");
  const left = await sql`select key from backstay.idempotency_keys where key = ${key} or scope = 'test'`;
  expect([...left]).toEqual([{ key }]);
  expect((await create()).json).toEqual(made.json);
});

it("what the server does by the clock for itself is told to administrators", async () => {
  const answer = await call(
    backstay.url,
    "jobs.v1.JobService/ListCrons",
    {},
    {
      authorization: `Bearer ${operatorToken(backstay)}`,
    },
  );
  const crons = answer.json.crons as { id: string; jobName: string; nextTime?: string }[];
  const own = crons.filter(({ id }) => id.startsWith("backstay."));
  expect(own.map(({ id }) => id)).toEqual(
    expect.arrayContaining(["backstay.auth.prune", "backstay.events.prune", "backstay.idempotency.prune"]),
  );
  for (const { id, jobName } of own) expect(jobName).toBe(id);
});
