import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { exportedOf } from "../exported.js";
import { bearer, openDatabase } from "../support.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

/** What an export says of one's history. */
const exported = async (token: string) =>
  (await exportedOf(backstay, token)).filter(({ domain }) => domain === "history");

it("an account's export has its history as its list shows it, and nobody else's", async () => {
  const [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  const headers = { ...bearer(ada.token), "content-type": "application/json" };
  const entries = [];
  for (const body of [{ type: "visit", data: { page: 1 } }, { data: null }, {}]) {
    const request = { method: "POST", headers, body: JSON.stringify(body) };
    entries.push(((await (await fetch(`${backstay.url}/v1/history`, request)).json()) as { entry: object }).entry);
  }
  await ben.client.history.appendHistory({ type: "his" });
  expect(await exported(ada.token)).toEqual(
    entries.map((record) => ({ domain: "history", kind: "entry", record: expect.objectContaining(record) })),
  );
});

it("has every entry once, also of a long history", async () => {
  const { id, token } = await backstay.signUp();
  await openDatabase(backstay)`insert into backstay.history (id, account_id, type, created_at)
    select gen_random_uuid(), ${id}, n, date_trunc('milliseconds', now()) from generate_series(1, 1001) as n`;
  const types = (await exported(token)).map(({ record }) => Number(record.type));
  expect(types.sort((a, b) => a - b)).toEqual(Array.from({ length: 1_001 }, (_, n) => n + 1));
});

it("has every entry once, also of microseconds that an importer wrote", async () => {
  const { id, token } = await backstay.signUp();
  // Of one millisecond, and more than are read at once.
  await openDatabase(backstay)`insert into backstay.history (id, account_id, type, created_at)
    select gen_random_uuid(), ${id}, n, '2031-01-01T00:00:00Z'::timestamptz + n * interval '1 microsecond'
    from generate_series(1, 301) as n`;
  const types = (await exported(token)).map(({ record }) => Number(record.type));
  expect(types).toEqual(Array.from({ length: 301 }, (_, n) => n + 1));
});
