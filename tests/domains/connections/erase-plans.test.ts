import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eraseLocked, findSome, lockNamed } from "../../../server/domains/connections/store-erase.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openDatabase, upTo } from "../support.js";
import { touchedBy } from "./list-plans.js";
import { makeAccounts, makeConnections, makeReferences } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

/** Lists as the text of arrays, which is how they are written in a statement. */
const list = (values: string[]) => `{${values.join()}}` as unknown as string[];

it("of 200,000 connections only those of the account are read", { timeout: 120_000 }, async () => {
  const sql = openDatabase(backstay);
  // Nothing else is to find out how many there are, and of how many accounts.
  for (const table of ["connections", "counters"]) {
    await sql.unsafe(`alter table backstay.${table} set (autovacuum_enabled = off)`);
  }
  await sql`insert into backstay.connections (account_id, peer_id, type, id, reference_id, properties, created_at, updated_at)
    select gen_random_uuid(), gen_random_uuid(), 'like', gen_random_uuid(), gen_random_uuid(), '{}', now(), now()
    from generate_series(1, 200000)`;
  const others = await makeAccounts(sql, 1_000);
  await makeConnections(
    sql,
    others[0]!,
    others.slice(1),
    upTo(20).map((n) => `type${n}`),
  );

  for (const known of [false, true]) {
    if (known) await sql`analyze backstay.connections, backstay.counters`;
    for (const mode of ["generic", "custom"] as const) {
      const peers = others.slice(0, 10);
      await makeConnections(sql, ada.id, peers, ["like"]);
      await makeReferences(sql, ada.id, peers, ["like"]);
      const keys = {
        accountIds: list([...peers.map(() => ada.id), ...peers]),
        types: list(upTo(20).map(() => "like")),
        peerIds: list([...peers, ...peers.map(() => ada.id)]),
      };
      const eventIds = list(peers.map(() => randomUUID()));
      const found = await touchedBy(sql, mode, findSome, { accountId: ada.id });
      const locked = await touchedBy(sql, mode, lockNamed, keys);
      const erased = await touchedBy(sql, mode, eraseLocked, {
        accountId: ada.id,
        unheard: list([]),
        ...keys,
        eventIds,
        at: new Date(),
      });
      const about = JSON.stringify({ mode, known, found, locked, erased });
      expect([found.scanned, locked.scanned, erased.scanned], about).toEqual([[], [], []]);
      // Each is some steps in an index, several when it is erased; all connections are some 4,000 pages.
      expect(found.pages, about).toBeLessThan(100);
      expect(locked.pages, about).toBeLessThan(200);
      expect(erased.pages, about).toBeLessThan(1_000);
      const [left] = await sql`select count(*)::int from backstay.connections where ${ada.id} in (account_id, peer_id)`;
      expect(left?.count, about).toBe(0);
    }
  }
});
