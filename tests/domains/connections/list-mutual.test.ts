import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { listMutual } from "../../../server/domains/connections/store-mutual.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, openDatabase, operator, refused, upTo } from "../support.js";
import { insertRows, type Link, newId, second, toRow } from "./list-house.js";
import { touchedBy } from "./list-plans.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "off" });
});
beforeEach(async () => {
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

/** Has an account connect to others. */
async function connect(from: { id: string }, to: readonly string[], link: Link = {}): Promise<void> {
  const rows = to.map((peerId, n) => toRow("connections", from.id, { at: second(n), ...link, peerId }));
  await insertRows(openDatabase(backstay), rows);
}

const mutual = async (request: { peerId?: string; type?: string } = {}) => {
  const { accountIds } = await ada.client.connections.listMutual({ peerId: ben.id, type: "like", ...request });
  return accountIds;
};

const ids = (count: number) => upTo(count).map(newId).sort();

it("lists whom both have connected to, by id", async () => {
  const [both, hers, his] = [ids(5), ids(5), ids(5)];
  await connect(ada, [...hers, ...both]);
  await connect(ben, [...both.toReversed(), ...his]);
  expect(await mutual()).toEqual(both);
});

it("lists those of one type", async () => {
  const [likes, follows] = [ids(2), ids(2)];
  await connect(ada, [...likes, ...follows]);
  await connect(ben, likes);
  await connect(ben, follows, { type: "follow" });
  expect(await mutual()).toEqual(likes);
  expect(await mutual({ type: "follow" })).toEqual([]);
  expect(await mutual({ type: "No type!" })).toEqual([]);
});

it("lists nobody who has connected to both, or is one of the two", async () => {
  await connect({ id: newId() }, [ada.id, ben.id]);
  await connect(ada, [ben.id]);
  await connect(ben, [ada.id]);
  expect(await mutual()).toEqual([]);
});

it("lists with oneself all of one's own", async () => {
  const own = ids(3);
  await connect(ada, own);
  expect(await mutual({ peerId: "me" })).toEqual(own);
  expect(await mutual({ peerId: ada.id })).toEqual(own);
});

it("lists pages that go on where the one before ended, while connections come and go", async () => {
  const both = ids(40);
  await connect(ada, [...both, ...ids(10)]);
  await connect(ben, both);
  const found: string[] = [];
  let pageToken = "";
  do {
    const request = { peerId: ben.id, type: "like", pageSize: 7, pageToken };
    const page = await ada.client.connections.listMutual(request);
    found.push(...page.accountIds);
    pageToken = page.nextPageToken;
    const more = ids(5);
    await Promise.all([connect(ada, more), connect(ben, more)]);
  } while (pageToken !== "");
  expect(new Set(found).size).toBe(found.length);
  expect(found.filter((id) => both.includes(id))).toEqual(both);
});

it("has a page token for the very query", async () => {
  const both = ids(3);
  await connect(ada, both);
  await connect(ben, both);
  const { listMutual } = ada.client.connections;
  const request = { peerId: ben.id, type: "like", pageSize: 2 };
  const { nextPageToken: pageToken, accountIds } = await listMutual(request);
  expect(accountIds).toEqual(both.slice(0, 2));
  expect((await listMutual({ ...request, pageSize: 1, pageToken })).accountIds).toEqual(both.slice(2));
  for (const other of [{ type: "view" }, { type: "No type!" }, { peerId: ada.id }]) {
    expect(await refused(listMutual({ ...request, ...other, pageToken }))).toEqual({
      code: "invalid_argument",
      reason: "INVALID_PAGE_TOKEN",
      fields: ["pageToken"],
    });
  }
  const byBen = ben.client.connections.listMutual({ ...request, pageToken });
  expect(await refused(byBen)).toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
});

it.each(["nobody", newId()])("is refused for a peer who is not there: %s", async (peerId) => {
  expect(await refused(mutual({ peerId }))).toEqual({
    code: "not_found",
    reason: "ACCOUNT_NOT_FOUND",
    fields: ["peerId"],
  });
});

it("is refused to the installation's own command line, which has no account", async () => {
  const asked = operator(backstay).connections.listMutual({ peerId: ben.id, type: "like" });
  expect(await refused(asked)).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});

it("is the same by REST", async () => {
  const both = ids(1);
  await connect(ada, both);
  await connect(ben, both);
  const path = `/v1/connections:mutual?peerId=${ben.id}&type=like`;
  const response = await fetch(`${backstay.url}${path}`, { headers: bearer(ada.token) });
  expect(await response.json()).toEqual({ accountIds: both });
});

describe("between people who are blocked", () => {
  it("leaves out whom the caller has blocked", async () => {
    const cleo = await backstay.signUp();
    const others = ids(2);
    for (const person of [ada, ben]) await connect(person, [...others, cleo.id]);
    await ada.client.connections.block({ peerId: cleo.id });
    expect(await mutual()).toEqual(others);
    expect(await mutual({ peerId: "me" })).toEqual(others);
    await ada.client.connections.unblock({ peerId: cleo.id });
    expect(await mutual()).toContain(cleo.id);
  });

  it("lists nobody with a peer whom the caller has blocked", async () => {
    const both = ids(2);
    for (const person of [ada, ben]) await connect(person, both);
    await ada.client.connections.block({ peerId: ben.id });
    expect(await mutual()).toEqual([]);
  });

  it("lists with a peer who has blocked the caller what it would, so that he cannot tell", async () => {
    const both = ids(2);
    for (const person of [ada, ben]) await connect(person, both);
    await ben.client.connections.block({ peerId: ada.id });
    expect(await mutual()).toEqual(both);
  });

  it("lists who has blocked one of the two, to whom it would otherwise tell that he has", async () => {
    const cleo = await backstay.signUp();
    await connect(ada, [cleo.id], { withheld: true });
    await connect(ben, [cleo.id]);
    expect(await mutual()).toEqual([cleo.id]);
    const { accountIds } = await ben.client.connections.listMutual({ peerId: ada.id, type: "like" });
    expect(accountIds).toEqual([cleo.id]);
  });
});

/** What the database knows is what it was before: many accounts with a connection each, and nobody with more. */
async function knowOnlyStrangers(sql: ReturnType<typeof openDatabase>): Promise<void> {
  await sql`alter table backstay.connections set (autovacuum_enabled = off)`;
  await sql`delete from backstay.connections`;
  await sql`insert into backstay.connections (account_id, peer_id, type, id, reference_id, properties, created_at, updated_at)
    select gen_random_uuid(), gen_random_uuid(), 'like', gen_random_uuid(), gen_random_uuid(), '{}', now(), now()
    from generate_series(1, 3000)`;
  await sql`analyze backstay.connections`;
}

it("reads of a peer who has connected to 100,000 only what the caller has too", { timeout: 60_000 }, async () => {
  const sql = openDatabase(backstay);
  await knowOnlyStrangers(sql);
  await sql`insert into backstay.connections (account_id, peer_id, type, id, reference_id, properties, created_at, updated_at)
    select ${ben.id}, gen_random_uuid(), 'like', gen_random_uuid(), gen_random_uuid(), '{}', at, at
    from generate_series(1, 100000) n, lateral (select ${second(0)}::timestamptz + n * interval '1 second') made (at)`;
  const own = ids(30);
  await connect(ada, own);
  const asked = { accountId: ada.id, peerId: ben.id, type: "like", after: undefined, limit: 51 };
  for (const known of [false, true]) {
    if (known) await sql`analyze backstay.connections`;
    for (const mode of ["generic", "custom"] as const) {
      const touched = await touchedBy(sql, mode, listMutual, asked);
      expect(touched.scanned).toEqual([]);
      // Each of the caller's is looked up by some steps in the index; all of the peer's are some 2,000.
      expect(touched.pages, JSON.stringify({ mode, known })).toBeLessThan(400);
    }
  }
});

describe("of a caller who has connected to very many", () => {
  /** Her connections, and the ids of those that Ben has too: at these places of hers. */
  const connectMany = async (count: number, shared: number[]) => {
    const own = ids(count);
    await connect(ada, own);
    const both = shared.map((place) => own[place - 1]!);
    await connect(ben, both);
    return both;
  };

  it("a page may have none before the end, and goes on after those it has looked at", async () => {
    const both = await connectMany(15_001, [10_000, 10_001, 15_001]);
    const request = { peerId: ben.id, type: "like", pageSize: 2 };
    const pages = [];
    for (let pageToken = ""; pages.length < 10; ) {
      const page = await ada.client.connections.listMutual({ ...request, pageToken });
      pages.push(page.accountIds);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    // As many as 5,000 of hers each.
    expect(pages).toEqual([[], both.slice(0, 1), both.slice(1, 2), both.slice(2)]);
  });

  it("a page is full when there is enough, wherever the looking ends", async () => {
    const both = await connectMany(5_002, [1, 4_999, 5_000, 5_001, 5_002]);
    const request = { peerId: ben.id, type: "like" };
    const first = await ada.client.connections.listMutual({ ...request, pageSize: 2 });
    expect(first.accountIds).toEqual(both.slice(0, 2));
    const second = await ada.client.connections.listMutual({
      ...request,
      pageSize: 2,
      pageToken: first.nextPageToken,
    });
    expect(second.accountIds).toEqual(both.slice(2, 4));
    const three = await ada.client.connections.listMutual({ ...request, pageSize: 3 });
    expect(three.accountIds).toEqual(both.slice(0, 3));
    const rest = await ada.client.connections.listMutual({ ...request, pageSize: 3, pageToken: three.nextPageToken });
    expect([rest.accountIds, rest.nextPageToken]).toEqual([both.slice(3), ""]);
  });

  it("the database looks at so many and no more, and at few where they are found soon", {
    timeout: 60_000,
  }, async () => {
    const sql = openDatabase(backstay);
    const cleo = await backstay.signUp();
    await knowOnlyStrangers(sql);
    await connectMany(20_000, []);
    const own = await sql`select peer_id from backstay.connections where account_id = ${ada.id}`;
    await connect(
      cleo,
      own.map(({ peer_id }) => peer_id),
    );
    const asked = { accountId: ada.id, type: "like", after: undefined, limit: 51 };
    for (const known of [false, true]) {
      if (known) await sql`analyze backstay.connections`;
      for (const mode of ["generic", "custom"] as const) {
        const none = await touchedBy(sql, mode, listMutual, { ...asked, peerId: ben.id });
        // Each of 5,000 is a row, and four or five steps to look it up: of all 20,000 they would be 80,000 and more.
        expect(none.pages, JSON.stringify({ mode, known })).toBeLessThan(40_000);
        const all = await touchedBy(sql, mode, listMutual, { ...asked, peerId: cleo.id });
        expect(all.pages, JSON.stringify({ mode, known })).toBeLessThan(600);
      }
    }
  });
});
