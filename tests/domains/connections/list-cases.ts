import { describe, expect, it } from "vitest";
import type { Side } from "../../../server/domains/connections/store-list.js";
import { listAll } from "../../../server/domains/connections/store-list.js";
import { openDatabase, operator, operatorToken, upTo } from "../support.js";
import { type ConnectionJson, insertRows, type Link, ListHouse, newId, otherOf, second, toRow } from "./list-house.js";
import { shapesOf, touchedBy } from "./list-plans.js";

const peerOf = ({ peerId }: ConnectionJson) => peerId;
const nameOf = ({ properties }: ConnectionJson) => properties.name;
const named = (name: string, link: Link = {}): Link => ({ ...link, properties: { name, ...link.properties } });
const DIRECTIONS = [false, true];

/** What the lists of both sides promise alike. */
export function describeList(side: Side): ListHouse {
  const house = new ListHouse(side);
  const names = (request: object = {}) => house.all(request, nameOf);

  describe("the order", () => {
    it("is that in which they were made, and its reverse when descending", async () => {
      await house.put(
        named("third", { at: second(3), type: "follow" }),
        named("first", { at: second(1) }),
        named("second", { at: second(2), type: "view" }),
      );
      for (const pageSize of [1, 2, 50]) {
        expect(await names({ pageSize })).toEqual(["first", "second", "third"]);
        expect(await names({ pageSize, descending: true })).toEqual(["third", "second", "first"]);
      }
    });

    it("is that of the peers, then of the types, where they were made at one time", async () => {
      const [low, high] = [`0${newId().slice(1)}`, `f${newId().slice(1)}`];
      await house.put(
        ...["like", "follow"].flatMap((type) =>
          [high, low].map((peerId) => named(type, { peerId, type, at: second(1) })),
        ),
      );
      const expected = [low, low, high, high];
      for (const pageSize of [1, 3]) {
        expect(await house.all({ pageSize }, peerOf)).toEqual(expected);
        expect(await names({ pageSize })).toEqual(["follow", "like", "follow", "like"]);
        expect(await house.all({ pageSize, descending: true }, peerOf)).toEqual(expected.toReversed());
        expect(await names({ pageSize, descending: true })).toEqual(["like", "follow", "like", "follow"]);
      }
    });

    it("tells microseconds apart, which the wire does not", async () => {
      const micros = upTo(9);
      await house.put(
        ...micros.toReversed().map((n) => named(`${n}`, { at: second(1, n), type: n % 2 ? "like" : "view" })),
      );
      expect(await names({ pageSize: 1 })).toEqual(micros.map(String));
      expect(await names({ pageSize: 2, descending: true })).toEqual(micros.map(String).toReversed());
    });
  });

  describe("a row", () => {
    it("has what it was made with", async () => {
      const properties = { note: "été", deep: { list: [1, null, true] } };
      const [peerId] = await house.put({ type: "follow", at: second(1), updated: second(2), properties });
      expect(await house.page()).toEqual({
        connections: [
          {
            peerId,
            type: "follow",
            properties,
            createTime: "2030-01-01T00:00:01Z",
            updateTime: "2030-01-01T00:00:02Z",
          },
        ],
      });
    });

    it("is one of a type or of a peer when that is asked for", async () => {
      const both = newId();
      await house.put(
        named("one", { peerId: both, at: second(1) }),
        named("two", { peerId: both, type: "follow", at: second(2) }),
        named("three", { type: "follow", at: second(3) }),
      );
      expect(await names({ type: "follow" })).toEqual(["two", "three"]);
      expect(await names({ peerId: both })).toEqual(["one", "two"]);
      expect(await names({ peerId: both, pageSize: 1, descending: true })).toEqual(["two", "one"]);
      expect(await names({ peerId: both, type: "follow" })).toEqual(["two"]);
      expect(await names({ peerId: both, type: "view" })).toEqual([]);
    });

    it("is none of a peer or a type that can name nothing", async () => {
      await house.put({});
      expect(await house.page({ peerId: "nobody" })).toEqual({});
      expect(await house.page({ type: "Like!" })).toEqual({});
    });
  });

  describe("since", () => {
    it("shows what was made or written later, whatever the direction and the page", async () => {
      await house.put(
        named("old", { at: second(1) }),
        named("rewritten", { at: second(2), updated: second(20) }),
        named("rewritten too early", { at: second(3), updated: second(9) }),
        named("rewritten follow", { at: second(4), updated: second(11), type: "follow" }),
        named("at that very time", { at: second(10) }),
        named("new", { at: second(12) }),
        named("new follow", { at: second(13), type: "follow" }),
        named("new and rewritten", { at: second(14), updated: second(15) }),
      );
      const since = second(10);
      const all = ["rewritten", "rewritten follow", "new", "new follow", "new and rewritten"];
      const follows = ["rewritten follow", "new follow"];
      for (const pageSize of [1, 2, 50]) {
        expect(await names({ since, pageSize })).toEqual(all);
        expect(await names({ since, pageSize, descending: true })).toEqual(all.toReversed());
        expect(await names({ since, pageSize, type: "follow" })).toEqual(follows);
        expect(await names({ since, pageSize, type: "follow", descending: true })).toEqual(follows.toReversed());
      }
    });

    it("is exact to the millisecond, and leaves out what is finer", async () => {
      const [peerId] = await house.put(named("a", { at: second(1, 5_900) }), named("b", { at: second(1, 6_000) }));
      expect(await names({ since: "2030-01-01T00:00:01.005Z" })).toEqual(["b"]);
      expect(await names({ since: "2030-01-01T00:00:01.005999Z" })).toEqual(["b"]);
      expect(await names({ since: "2030-01-01T00:00:01.004999Z" })).toEqual(["a", "b"]);
      expect(await names({ since: "2030-01-01T00:00:01.004Z", peerId })).toEqual(["a"]);
      expect(await names({ since: "2030-01-01T00:00:01.005Z", peerId })).toEqual([]);
    });

    it("leaves out what a clock that is behind says it has rewritten before it was made", async () => {
      await house.put(named("behind", { at: second(10), updated: second(5) }), named("in time", { at: second(11) }));
      expect(await names({ since: second(7) })).toEqual(["in time"]);
      expect(await names({ since: second(4) })).toEqual(["behind", "in time"]);
    });

    it("may be any time there is, from the first to the last", async () => {
      const [peerId] = await house.put(named("a", { at: second(1) }), named("b", { at: second(2) }));
      for (const descending of DIRECTIONS) {
        for (const since of ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z"]) {
          expect(await names({ since, descending })).toEqual(descending ? ["b", "a"] : ["a", "b"]);
          expect(await names({ since, descending, peerId, type: "like" })).toEqual(["a"]);
        }
        for (const since of [
          "9999-12-31T23:59:59.998Z",
          "9999-12-31T23:59:59.999Z",
          "9999-12-31T23:59:59.999999999Z",
        ]) {
          expect(await house.page({ since, descending })).toEqual({});
          expect(await house.page({ since, descending, peerId, details: true })).toEqual({});
        }
      }
    });
  });

  describe("a filter", () => {
    const by = (column: string, op: string, ...values: unknown[]) => names({ filters: [{ column, op, values }] });

    it("is on the peer, the type and times", async () => {
      const [one] = await house.put(
        named("one", { at: second(1), updated: second(9) }),
        named("two", { at: second(2), type: "follow" }),
        named("three", { at: second(3), type: "dislike" }),
      );
      expect(await by("peer_id", "eq", one)).toEqual(["one"]);
      expect(await by("peerId", "ne", one)).toEqual(["two", "three"]);
      expect(await by("peer_id", "eq", "nobody")).toEqual([]);
      expect(await by("type", "like", "%like")).toEqual(["one", "three"]);
      expect(await by("type", "matches", "^(d|f)")).toEqual(["two", "three"]);
      expect(await by("create_time", "gt", second(1))).toEqual(["two", "three"]);
      expect(await by("updateTime", "ge", second(3))).toEqual(["one", "three"]);
    });

    it("on a property compares its text, and what is not there as empty text", async () => {
      await house.put(
        named("text", { at: second(1), properties: { level: "7" } }),
        named("number", { at: second(2), properties: { level: 7 } }),
        named("yes", { at: second(3), properties: { level: true } }),
        named("list", { at: second(4), properties: { level: [1, "a"] } }),
        named("null", { at: second(5), properties: { level: null } }),
        named("none", { at: second(6) }),
      );
      expect(await by("properties.level", "eq", "7")).toEqual(["text", "number"]);
      expect(await by("properties.level", "eq", 7)).toEqual(["text", "number"]);
      expect(await by("properties.level", "in", "true", '[1, "a"]')).toEqual(["yes", "list"]);
      expect(await by("properties.level", "is_null")).toEqual(["null", "none"]);
      expect(await by("properties.level", "not_null")).toEqual(["text", "number", "yes", "list"]);
      expect(await by("properties.level", "begins_with", "t")).toEqual(["yes"]);
      expect(await by("properties.level", "matches", "^(7|\\[1, .a.\\]|)$")).toEqual([
        ...["text", "number", "list", "null", "none"],
      ]);
      expect(await by("properties.level", "imatches", "TRUE")).toEqual(["yes"]);
    });

    it("takes the name of a property as it is written, whatever is in it", async () => {
      const keys = ["fooBar", "foo_bar", "a.b", "' or true --", "constructor", "__proto__", "é"];
      for (const [n, key] of keys.entries()) {
        await house.put(named(key, { at: second(n), properties: JSON.parse(`{${JSON.stringify(key)}: "x"}`) }));
      }
      for (const key of keys) {
        expect(await by(`properties.${key}`, "eq", "x")).toEqual([key]);
        expect(await by(`properties.${key}`, "matches", "x")).toEqual([key]);
        expect(await by(`properties.${key}`, "eq", "")).toEqual(keys.filter((other) => other !== key));
      }
    });

    it("holds together with the others, with a type, a peer, since, and pages", async () => {
      await house.put(
        ...upTo(40).map((n) =>
          named(`${n}`, { at: second(n), type: n % 2 ? "like" : "view", properties: { n: n % 4 } }),
        ),
      );
      const filters = [
        { column: "properties.n", op: "in", values: [1, 2] },
        { column: "create_time", op: "le", values: [second(20)] },
        { column: "properties.name", op: "matches", values: ["^1"] },
      ];
      expect(await names({ filters, pageSize: 1 })).toEqual(["1", "10", "13", "14", "17", "18"]);
      expect(await names({ filters, pageSize: 2, descending: true })).toEqual(["18", "17", "14", "13", "10", "1"]);
      expect(await names({ filters, pageSize: 2, type: "like" })).toEqual(["1", "13", "17"]);
      expect(await names({ filters, pageSize: 2, since: second(13) })).toEqual(["14", "17", "18"]);
    });

    it.each<[string, object, string, string]>([
      ["a column that is not there", { column: "id", values: ["x"] }, "UNKNOWN_COLUMN", "filters[0].column"],
      ["properties as a whole", { column: "properties", values: ["x"] }, "UNKNOWN_COLUMN", "filters[0].column"],
      ["a property without a name", { column: "properties.", values: ["x"] }, "UNKNOWN_COLUMN", "filters[0].column"],
      ["like on a time", { column: "create_time", op: "like", values: ["2%"] }, "INVALID_FILTER", "filters[0].op"],
      [
        "a pattern that is none",
        { column: "properties.a", op: "matches", values: ["(a"] },
        "INVALID_PATTERN",
        "filters[0].values[0]",
      ],
    ])("is refused for %s", async (_, filter, reason, field) => {
      const refused = { code: "invalid_argument", reason, fields: [field] };
      expect(await house.refused({ filters: [filter] })).toEqual(refused);
    });
  });

  describe("details", () => {
    it("are the public part of each account, for administrators too", async () => {
      const ben = await house.befriend();
      await operator(house.backstay).auth.grantRole({ id: house.ada.id, role: "admin" });
      const [row] = await house.list({ details: true });
      expect(row!.account).toMatchObject({ id: ben.id, name: `Name of ${ben.login}` });
      expect(Object.keys(row!.account!).sort()).toEqual(["alias", "createTime", "id", "name", "updateTime"]);
      expect((await house.list())[0]).not.toHaveProperty("account");
    });

    it("are left out of an account that is gone, and given with each of several rows of one", async () => {
      await house.put({ at: second(1) });
      const ben = await house.befriend({ at: second(2) });
      await house.put({ peerId: ben.id, type: "follow", at: second(3) });
      const rows = await house.list({ details: true });
      expect(rows.map(({ account }) => account?.id)).toEqual([undefined, ben.id, ben.id]);
    });
  });

  describe("whom one has blocked", () => {
    it("is left out, however one asks, until he is no more", async () => {
      const ben = await house.befriend(named("ben", { at: second(2), updated: second(9) }));
      await house.put(named("other", { at: second(1), updated: second(9) }));
      const { connections } = house.ada.client;
      await connections.block({ peerId: ben.id });
      const filters = [{ column: "properties.name", op: "matches", values: ["."] }];
      for (const request of [{}, { type: "like" }, { since: second(5) }, { descending: true }, { filters }]) {
        expect(await names(request)).toEqual(["other"]);
      }
      expect(await names({ peerId: ben.id })).toEqual([]);
      await connections.unblock({ peerId: ben.id });
      expect(await names()).toEqual(["other", "ben"]);
    });

    it("does not shorten a page", async () => {
      const ben = await house.befriend({ at: second(3) });
      await house.put(...upTo(6).map((n) => named(`${n}`, { at: second(n) })));
      await house.ada.client.connections.block({ peerId: ben.id });
      const { connections, nextPageToken } = await house.page({ pageSize: 4 });
      expect(connections!.map(nameOf)).toEqual(["1", "2", "3", "4"]);
      expect((await house.list({ pageSize: 4, pageToken: nextPageToken })).map(nameOf)).toEqual(["5", "6"]);
    });

    it("is not he who has blocked one", async () => {
      const ben = await house.befriend(named("ben"));
      await ben.client.connections.block({ peerId: house.ada.id });
      expect(await names()).toEqual(["ben"]);
    });
  });

  describe("a page token", () => {
    it("is for the very query it was given for", async () => {
      const peerId = newId();
      await house.put({ peerId, at: second(1) }, { peerId, type: "view", at: second(2) }, { at: second(3) });
      const filters = [{ column: "type", op: "ne", values: ["x"] }];
      const query = { pageSize: 1, peerId };
      const { nextPageToken: pageToken } = await house.page(query);
      const refused = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };
      const others = [
        { peerId: "" },
        { peerId: "nobody" },
        { type: "like" },
        { since: second(0) },
        { filters },
        { details: true },
        { descending: true },
      ];
      for (const other of others) expect(await house.refused({ ...query, ...other, pageToken })).toEqual(refused);
      expect(await house.refused({ ...query, pageToken }, (await house.backstay.signUp()).token)).toEqual(refused);
      expect(await house.refused({ peerId: "nobody", pageToken: "x" })).toEqual(refused);
      expect(await house.list({ ...query, pageSize: 2, pageToken })).toHaveLength(1);
    });

    it("of the other side is refused", async () => {
      await house.put({ at: second(1) }, { at: second(2) });
      const { nextPageToken: pageToken } = await house.page({ pageSize: 1 });
      const { connections } = house.ada.client;
      const request = { pageSize: 1, pageToken: pageToken! };
      const other = side === "connections" ? connections.listReferences(request) : connections.listConnections(request);
      await expect(other).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
    });
  });

  it("is refused to the installation's own command line, which has no account", async () => {
    expect(await house.refused({}, operatorToken(house.backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
  });

  describe("while others come and go", () => {
    const TYPES = ["like", "follow", "view"];

    it.each(
      DIRECTIONS.flatMap((descending) => [
        { descending },
        { descending, type: "like" },
        { descending, since: second(30) },
      ]),
    )("pages of 7 show what stays once, and nothing twice: %o", { timeout: 60_000 }, async (request) => {
      // Some stay and some do not; many share their time, since that is where a list would lose its place.
      const link = (): Link => {
        const made = Math.floor(Math.random() * 60);
        const updated = Math.random() < 0.3 ? second(made + 40) : second(made);
        return { at: second(made), updated, type: TYPES[Math.floor(Math.random() * TYPES.length)]! };
      };
      const ofRequest = ({ type, updated }: Link) =>
        (!("type" in request) || type === request.type) && (!("since" in request) || updated! > request.since);
      const stay = upTo(90).map(link);
      const peers = await house.put(...stay);
      const expected = peers.filter((_, n) => ofRequest(stay[n]!)).sort();
      const going = await house.put(...upTo(60).map(link));

      const sql = openDatabase(house.backstay);
      const other = side === "connections" ? sql`peer_id` : sql`account_id`;
      const change = async () => {
        const come = upTo(3).map(() => toRow(side, house.ada.id, link()));
        await insertRows(sql, come);
        going.push(...come.map((row) => otherOf(side, row)));
        const goes = going.splice(Math.floor(Math.random() * going.length), 3);
        await sql`delete from backstay.connections where ${other} in ${sql(goes)}`;
      };
      let reading = true;
      const writer = (async () => {
        while (reading) await change();
      })();
      try {
        for (let round = 0; round < 3; round++) {
          const shown = await house.all({ ...request, pageSize: 7 }, peerOf, change);
          expect(new Set(shown).size).toBe(shown.length);
          expect(shown.filter((peerId) => peers.includes(peerId)).sort()).toEqual(expected);
        }
      } finally {
        reading = false;
        await writer;
      }
    });
  });

  describe("among 100,000 rows of one type", () => {
    it("the database reads a page and little else, whatever is asked", { timeout: 60_000 }, async () => {
      const sql = openDatabase(house.backstay);
      const own = house.ada.id;
      const ends = side === "connections" ? sql`${own}::uuid, gen_random_uuid()` : sql`gen_random_uuid(), ${own}::uuid`;
      await sql`insert into backstay.connections (account_id, peer_id, type, id, reference_id, properties, created_at, updated_at)
        select ${ends}, 'like', gen_random_uuid(), gen_random_uuid(), '{}', at,
          case when n % 10000 = 0 then at + interval '1 day' else at end
        from generate_series(1, 100000) n, lateral (select ${second(0)}::timestamptz + n * interval '1 second') made (at)`;
      const [rare] = await house.put({ type: "follow", at: second(100_001) }, { type: "view", at: second(5) });
      const middle = { afterPlace: second(60_000), afterPeer: newId(), afterType: "like" };
      const start = { afterPlace: undefined, afterPeer: undefined, afterType: undefined };

      for (const known of [false, true]) {
        if (known) await sql`analyze backstay.connections`;
        for (const shape of shapesOf(side)) {
          const asked = { accountId: own, type: "like", peerId: rare, from: new Date(second(99_900)), limit: 51 };
          for (const mode of ["generic", "custom"] as const) {
            for (const after of [start, middle]) {
              const touched = await touchedBy(sql, mode, listAll(shape), { ...asked, ...after });
              expect(touched.scanned, JSON.stringify({ shape, mode, known })).toEqual([]);
              // A page is 51 rows, each with a look at who is blocked; all of them are some 2,000.
              expect(touched.pages, JSON.stringify({ shape, mode, known, after })).toBeLessThan(400);
            }
          }
        }
      }
    });
  });

  return house;
}
