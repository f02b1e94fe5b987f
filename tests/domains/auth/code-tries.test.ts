import { sql as piece } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import * as store from "../../../server/domains/auth/store-codes.js";
import { type Database, type Db, statement } from "../../../server/platform/db/index.js";
import { postgresDatabase } from "../../../server/platform/db/postgres.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openDatabase } from "../support.js";

const at = new Date();
const codeMac = Buffer.alloc(32, 1);
const EMAIL = "ada@example.com";

/** Whether the transaction has written anything that its commit waits for. */
const hasWritten = statement<object, { written: boolean }>(
  () => piece`select pg_current_xact_id_if_assigned() is not null as written`,
);

let backstay: TestBackstay;
let database: Database;
let accountId: string;
beforeAll(async () => {
  backstay = await startBackstay();
  const limits = { poolSize: 2, statementTimeout: 10_000, lockTimeout: 10_000, acquireTimeout: 10_000 };
  database = postgresDatabase({ target: { url: backstay.databaseUrl }, ...limits });
  await database.start();
  accountId = (await backstay.signUp("ada")).id;
});
afterAll(async () => {
  await database.stop();
  await backstay.stop();
});

/** Whether a try wrote, and what it found; Ada has a code for each purpose and a verified address. */
async function outcome(tryCodes: (ctx: { db: Db }) => Promise<Awaited<ReturnType<typeof store.tryResetCode>>>) {
  await openDatabase(
    backstay,
  )`update backstay.accounts set email = ${EMAIL}, email_verified_at = ${at} where id = ${accountId}`;
  const expiresAt = new Date(at.getTime() + 60_000);
  for (const purpose of ["verify-email", "reset-secret"] as const) {
    await store.putCode({ db: database }, { accountId, purpose, target: EMAIL, codeMac, at, expiresAt });
  }
  return database.transaction(async (db) => {
    const found = (await tryCodes({ db })).map(store.codeOf).map((code) => code?.accountId);
    const [{ written } = { written: undefined }] = await hasWritten({ db }, {});
    return { found, written };
  });
}

it("a try at a code for a new secret writes for a login that nobody has as for one that has a code", async () => {
  const tryReset = (subject: string) => outcome((ctx) => store.tryResetCode(ctx, { subject, at }));
  expect(await tryReset("ada")).toEqual({ found: [accountId], written: true });
  expect(await tryReset("nobody")).toEqual({ found: [undefined], written: true });
});

it("a try at a code to verify an address writes whether one was sent there or not", async () => {
  const tryVerify = (target: string) =>
    outcome((ctx) => store.tryVerificationCodes(ctx, { target, at, accountId: undefined }));
  expect(await tryVerify(EMAIL)).toEqual({ found: [accountId], written: true });
  expect(await tryVerify("nobody@example.com")).toEqual({ found: [undefined], written: true });
});

it("looks at nothing but writes where no transaction has written", async () => {
  expect(await outcome(async () => [])).toEqual({ found: [], written: false });
});
