import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openDatabase, refused, testClock, upTo } from "../support.js";
import { callsOf } from "./calls.js";
import { makeAccounts } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
const { block, unblock, blocked } = callsOf(() => backstay);
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const page = (who: Person, request: { pageSize?: number; pageToken?: string }) =>
  who.client.connections.listBlocked(request);

/** Every account somebody has blocked, page by page. */
async function pages(who: Person, pageSize: number): Promise<string[][]> {
  const all: string[][] = [];
  let pageToken = "";
  do {
    const { blocks, nextPageToken } = await page(who, { pageSize, pageToken });
    all.push(blocks.map(({ peerId }) => peerId));
    pageToken = nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** Has Ada block as many; the first of them first, two at each moment. Answers them in order. */
async function blockMany(count: number): Promise<string[]> {
  const sql = openDatabase(backstay);
  const ids = await makeAccounts(sql, count);
  await sql`insert into backstay.blocks (account_id, peer_id, created_at)
    select ${ada.id}, id, '2031-01-01'::timestamptz + (n / 2) * interval '1 second'
    from unnest(${ids}::uuid[]) with ordinality as t (id, n)`;
  const rows = await sql`select replace(peer_id::text, '-', '') as id from backstay.blocks where account_id = ${ada.id}
    order by created_at, peer_id`;
  return rows.map(({ id }) => String(id));
}

it("tells whom the caller has blocked, since when, who was blocked first first; and nobody else", async () => {
  await block(ada, ben);
  const since = clock.now().toISOString();
  clock.advance(1_000);
  const carl = await backstay.signUp();
  await block(ada, carl);
  await block(carl, ada);
  await block(carl, ben);
  expect(await blocked(ada)).toEqual([
    { peerId: ben.id, createTime: since },
    { peerId: carl.id, createTime: clock.now().toISOString() },
  ]);
  expect(await blocked(ben)).toEqual([]);
});

describe("a page", () => {
  it.each([1, 2, 7, 12, 13])("has as many as asked for, and the next begins where it ended: %i", async (pageSize) => {
    const ids = await blockMany(12);
    const all = await pages(ada, pageSize);
    expect(all.flat()).toEqual(ids);
    for (const full of all.slice(0, -1)) expect(full).toHaveLength(pageSize);
    expect(all).toHaveLength(Math.ceil(12 / pageSize));
  });

  it("has 50 when nobody says, and at most 500", async () => {
    await blockMany(51);
    const { blocks, nextPageToken } = await page(ada, {});
    expect([blocks.length, nextPageToken !== ""]).toEqual([50, true]);
    expect(await refused(page(ada, { pageSize: 501 }))).toMatchObject({
      reason: "INVALID_FIELD",
      fields: ["pageSize"],
    });
  });

  it("skips and repeats nobody who is blocked throughout, whoever comes and goes meanwhile", async () => {
    const ids = await blockMany(20);
    const others = upTo(10).map((n) => ids[n * 2 - 1]!);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const answer = await page(ada, { pageSize: 3, pageToken });
      seen.push(...answer.blocks.map(({ peerId }) => peerId));
      pageToken = answer.nextPageToken;
      const gone = others.pop();
      if (gone !== undefined) await unblock(ada, { ...ben, id: gone });
      await block(ada, await backstay.signUp());
    } while (pageToken !== "" && seen.length < 100);
    expect(new Set(seen).size).toBe(seen.length);
    const throughout = ids.filter((_, index) => index % 2 === 0);
    expect(seen.filter((id) => throughout.includes(id))).toEqual(throughout);
  });

  it("tells microseconds apart, as an importer may write them", async () => {
    const ids = await makeAccounts(openDatabase(backstay), 5);
    await openDatabase(backstay)`insert into backstay.blocks (account_id, peer_id, created_at)
      select ${ada.id}, id, '2031-01-01'::timestamptz + n * interval '1 microsecond'
      from unnest(${ids}::uuid[]) with ordinality as t (id, n)`;
    const first = await page(ada, { pageSize: 2 });
    const second = await page(ada, { pageSize: 2, pageToken: first.nextPageToken });
    const third = await page(ada, { pageSize: 2, pageToken: second.nextPageToken });
    const shown = [first, second, third].map(({ blocks }) => blocks.map(({ peerId }) => peerId));
    expect(shown).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    expect(third.nextPageToken).toBe("");
  });

  it("is not found by a token that is damaged, of another account, or of another list", async () => {
    await blockMany(3);
    const { nextPageToken } = await page(ada, { pageSize: 1 });
    const invalid = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };
    expect(await refused(page(ben, { pageSize: 1, pageToken: nextPageToken }))).toEqual(invalid);
    expect(await refused(page(ada, { pageToken: `${nextPageToken.slice(0, -2)}AA` }))).toEqual(invalid);
    expect(await refused(ada.client.connections.listConnections({ pageToken: nextPageToken }))).toEqual(invalid);
  });
});
