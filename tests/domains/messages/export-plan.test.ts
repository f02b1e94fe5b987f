import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listSent } from "../../../server/domains/messages/store-export.js";
import type { TestBackstay } from "../../support/backstay.js";
import { touchedBy } from "../connections/list-plans.js";
import { EACH_POSTGRES } from "../each-postgres.js";
import { openDatabase } from "../support.js";

const FIRST = "0".repeat(32);
const OFTEN = 50_000;

describe.each(EACH_POSTGRES)("on %s", (_, open) => {
  let backstay: TestBackstay;
  let stop: () => Promise<void>;
  beforeAll(async () => {
    ({ backstay, stop } = await open());
  }, 120_000);
  afterAll(() => stop?.());

  it("a page of what an account has sent is what is read and little else, among many messages of others", {
    timeout: 60_000,
  }, async () => {
    const [seldom, often, recipient] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
    const sql = openDatabase(backstay);
    // Ids in order, as those of messages are; the last of all are of who sends seldom.
    await sql`insert into backstay.messages (id, recipient_id, sender_id, mtime, text, created_at)
      select lpad(to_hex(n), 32, '0')::uuid, ${recipient.id}, case when n > ${OFTEN} then ${seldom.id} else ${often.id} end::uuid,
        n, 'hello', now()
      from generate_series(1, ${OFTEN}::int + 20) n`;
    const near = (OFTEN - 100).toString(16).padStart(32, "0");
    for (const known of [false, true]) {
      if (known) await sql`analyze backstay.messages`;
      for (const senderId of [seldom.id, often.id]) {
        for (const after of [FIRST, near]) {
          for (const mode of ["generic", "custom"] as const) {
            const { pages } = await touchedBy(sql, mode, listSent, { senderId, after, limit: 51 });
            // A page is 51 rows; all of them are some 700, and the primary key's some 200.
            expect(pages, JSON.stringify({ known, often: senderId === often.id, after, mode })).toBeLessThan(80);
          }
        }
      }
    }
  });
});
