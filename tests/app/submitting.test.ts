import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { type Submitting, submitting } from "../../server/app/submitting.js";
import type { Database } from "../../server/platform/db/index.js";
import { postgresDatabase } from "../../server/platform/db/postgres.js";
import { createDatabaseOn, type TestDatabase } from "../support/postgres.js";
import "../support/provided.js";

let data: TestDatabase;
let database: Database;
let app: Submitting;
beforeAll(async () => {
  data = await createDatabaseOn(inject("postgres18"), inject("template"));
  const limits = { statementTimeout: 5_000, lockTimeout: 2_000, acquireTimeout: 5_000 };
  database = postgresDatabase({ target: { url: data.url }, poolSize: 2, ...limits });
  await database.start();
  app = submitting(database, async () => []);
});
afterAll(async () => {
  await database?.stop();
  await data?.drop();
});

it("prepares a thousand texts of an app's statements, and runs the rest once", async () => {
  const kept = await app.transaction(async ({ db }) => {
    for (let n = 0; n < 1_100; n++) {
      expect(await db.run(`select ${n} as made_up, $1::int as given`, [n])).toEqual([{ madeUp: n, given: n }]);
    }
    return db.run<{ count: bigint }>(
      "select count(*) from pg_prepared_statements where statement like '%as made_up, $1%'",
    );
  });
  expect(kept).toEqual([{ count: 1_000n }]);
});
