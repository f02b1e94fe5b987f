import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, openDatabase, testClock } from "../support.js";
import { callsOf } from "./calls.js";
import { makeAccounts } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
const { put, update, made, received, block, unblock, blocked } = callsOf(() => backstay);
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

interface Exported {
  domain: string;
  kind: string;
  record: { peerId: string; type: string; properties: object };
}

/** What is exported of an account as these kinds of records. */
async function exported(who: Person, domain: string, kind: string): Promise<Exported["record"][]> {
  const headers = { ...bearer(who.token), accept: "application/x-ndjson" };
  const response = await fetch(`${backstay.url}/v1/accounts/me:export`, { headers });
  expect(response.status).toBe(200);
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  const records = lines.map((line) => JSON.parse(line) as Exported);
  return records.filter((one) => one.domain === domain && one.kind === kind).map(({ record }) => record);
}

const connections = (who: Person) => exported(who, "connections", "connection");
const references = (who: Person) => exported(who, "connections", "reference");
const blocks = (who: Person) => exported(who, "blocks", "block");

it("tells what an account has made and received, as its lists do", async () => {
  await put(ada, ben, "like", { a: 1, deep: [{ b: null }] });
  clock.advance(1_500);
  await put(ada, ben, "follow");
  await update(ada, { connection: { peerId: ben.id, type: "like", properties: { a: 2 } } });
  await put(ben, ada, "invite", { note: "Tea?" });
  expect(await connections(ada)).toEqual(await made(ada).then((all) => all.sort(byType)));
  expect(await references(ada)).toEqual(await received(ada));
  expect(await references(ben)).toEqual(await received(ben).then((all) => all.sort(byType)));
  expect((await references(ben)).map(({ type }) => type)).toEqual(["follow", "like"]);
});

it("tells whom it has blocked, and never who has blocked it", async () => {
  await block(ada, ben);
  expect(await blocks(ada)).toEqual(await blocked(ada));
  expect(await blocks(ada)).toEqual([{ peerId: ben.id, createTime: clock.now().toISOString() }]);
  expect(await blocks(ben)).toEqual([]);
});

it("tells the one who is blocked what he has made, and the other what he saw before and nothing of the rest", async () => {
  const before = await put(ben, ada, "like", { a: 1 });
  await block(ada, ben);
  clock.advance(1_000);
  const replaced = await put(ben, ada, "like", { a: 2 });
  const hidden = await put(ben, ada, "view", { a: 3 });
  for (const lift of [false, true]) {
    if (lift) await unblock(ada, ben);
    expect(await connections(ben)).toEqual([replaced, hidden]);
    expect(await references(ada)).toEqual([{ ...before, peerId: ben.id }]);
  }
});

it("tells what it has made to somebody it blocks, which its lists leave out", async () => {
  const connection = await put(ada, ben, "like");
  await block(ada, ben);
  expect(await made(ada)).toEqual([]);
  expect(await connections(ada)).toEqual([connection]);
});

it("tells more than a page of each, each once", async () => {
  const sql = openDatabase(backstay);
  const ids = await makeAccounts(sql, 750);
  await sql`insert into backstay.connections
      (account_id, type, peer_id, id, reference_id, properties, created_at, updated_at)
    select case when side = 0 then ${ada.id}::uuid else id end, case when n % 3 = 0 then 'like' else 'follow' end,
      case when side = 0 then id else ${ada.id}::uuid end, gen_random_uuid(), gen_random_uuid(), '{}',
      '2031-01-01'::timestamptz + (n / 4) * interval '1 second', now()
    from unnest(${ids}::uuid[]) with ordinality as t (id, n), generate_series(0, 1) as side`;
  await sql`insert into backstay.blocks (account_id, peer_id, created_at)
    select ${ada.id}, id, '2031-01-01'::timestamptz + (n / 4) * interval '1 second'
    from unnest(${ids}::uuid[]) with ordinality as t (id, n)`;
  for (const read of [connections, references, blocks]) {
    const peers = (await read(ada)).map(({ peerId }) => peerId);
    expect(peers).toHaveLength(ids.length);
    expect([...peers].sort()).toEqual([...ids].sort());
  }
});

function byType(a: { type: string }, b: { type: string }): number {
  return a.type < b.type ? -1 : 1;
}

it("tells each once, also where an importer wrote many into one millisecond", async () => {
  const sql = openDatabase(backstay);
  const ids = await makeAccounts(sql, 250);
  const at = sql`'2031-01-01'::timestamptz + n * interval '1 microsecond'`;
  const all = sql`unnest(${ids}::uuid[]) with ordinality as t (id, n)`;
  await sql`insert into backstay.blocks (account_id, peer_id, created_at) select ${ada.id}, id, ${at} from ${all}`;
  for (const ends of [sql`${ada.id}::uuid, id`, sql`id, ${ada.id}::uuid`]) {
    await sql`insert into backstay.connections
        (account_id, peer_id, type, id, reference_id, properties, created_at, updated_at)
      select ${ends}, 'like', gen_random_uuid(), gen_random_uuid(), '{}', ${at}, ${at} from ${all}`;
  }
  const peers = (records: Exported["record"][]) => records.map(({ peerId }) => peerId);
  expect(peers(await connections(ada))).toEqual(ids);
  expect(peers(await references(ada))).toEqual(ids);
  expect(peers(await blocks(ada))).toEqual(ids);
});
