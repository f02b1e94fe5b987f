import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listEntries } from "../../../server/domains/history/store-list.js";
import type { TestBackstay } from "../../support/backstay.js";
import { newId, second } from "../connections/list-house.js";
import { touchedBy } from "../connections/list-plans.js";
import { EACH_POSTGRES } from "../each-postgres.js";
import { openDatabase } from "../support.js";

describe.each(EACH_POSTGRES)("among 100,000 entries, on %s", (_, start) => {
  let backstay: TestBackstay;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    ({ backstay, stop } = await start());
  }, 60_000);
  afterAll(() => stop());

  it("a page is what is read and little else, wherever it is", { timeout: 60_000 }, async () => {
    const sql = openDatabase(backstay);
    const { id: accountId } = await backstay.signUp();
    await sql`insert into backstay.history (id, account_id, type, created_at)
      select gen_random_uuid(), ${accountId}, case when n % 1000 = 0 then 'rare' else 'visit' end,
        ${second(0)}::timestamptz + n * interval '1 second'
      from generate_series(1, 100000) n`;
    const [early, late] = [new Date(second(10)), new Date(second(99_000))];
    const begin = { afterPlace: undefined, afterId: undefined };
    const near = { afterPlace: second(90_000), afterId: newId() };
    const pages = [
      { since: undefined, ...begin },
      { since: undefined, ...near },
      { since: early, ...near },
      { since: late, ...begin },
      { since: late, ...near },
    ];
    for (const known of [false, true]) {
      if (known) await sql`analyze backstay.history`;
      for (const type of [undefined, "visit"]) {
        for (const descending of [false, true]) {
          for (const page of pages) {
            for (const mode of ["generic", "custom"] as const) {
              const list = listEntries({ ofType: type !== undefined, descending });
              const { pages } = await touchedBy(sql, mode, list, { accountId, type, limit: 51, ...page });
              // A page is 51 rows; all of them are some 2,000.
              expect(pages, JSON.stringify({ known, type, descending, page, mode })).toBeLessThan(100);
            }
          }
        }
      }
    }
  });
});
