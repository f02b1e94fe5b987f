import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ConnectionSchema } from "#gen/backstay/connections/v1/connections_pb.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { request } from "../../support/http-request.js";
import { type EventJson, standingStream } from "../stream.js";
import { bearer, openDatabase, refused } from "../support.js";
import { audit, countersOf, makeAccounts, makeConnections, setBlock } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let cleo: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

const put = (who: Person, peer: Person, type: string, properties = {}) =>
  who.client.connections.putConnection({ peerId: peer.id, type, properties });
const remove = async (which: { peerId?: string; type?: string }, who = ada) =>
  (await who.client.connections.deleteConnections(which)).deletedCount;
const pairs = async (who: Person) =>
  (await who.client.connections.listConnections({})).connections.map(({ peerId, type }) => [peerId, type]).sort();
const received = async (who: Person) => (await who.client.connections.listReferences({})).connections;
const counters = (who: Person) => countersOf(openDatabase(backstay), who.id);
const differences = () => audit(openDatabase(backstay));

describe("which connections", () => {
  beforeEach(async () => {
    for (const peer of [ben, cleo]) for (const type of ["like", "follow"]) await put(ada, peer, type);
    await put(ben, ada, "like");
  });

  it("is one of a peer and a type, with its reference and its place in the counters of both", async () => {
    expect(await remove({ peerId: ben.id, type: "like" })).toBe(1);
    expect((await pairs(ada)).length).toBe(3);
    expect((await received(ben)).map(({ type }) => type)).toEqual(["follow"]);
    expect(await counters(ada)).toEqual({ like0: 1, follow0: 2, like1: 1 });
    expect(await counters(ben)).toEqual({ like0: 1, follow1: 1 });
    expect(await counters(cleo)).toEqual({ like1: 1, follow1: 1 });
  });

  it.each(["peerId=", "peer_id=", "type=", "peerId=&type=like", "type=&peerId="])(
    "are none by REST for %s: a variable that happens to be empty must not widen it",
    async (query) => {
      const { status, reason } = await request(`${backstay.url}/v1/connections?${query}`, {
        method: "DELETE",
        headers: bearer(ada.token),
      });
      expect({ status, reason }).toEqual({ status: 400, reason: "INVALID_FIELD" });
      expect(await pairs(ada)).toHaveLength(4);
    },
  );

  it("are all by REST when nothing stands in the query", async () => {
    const { status } = await request(`${backstay.url}/v1/connections`, {
      method: "DELETE",
      headers: bearer(ada.token),
    });
    expect(status).toBe(200);
    expect(await pairs(ada)).toEqual([]);
  });

  it("are those to a peer", async () => {
    expect(await remove({ peerId: ben.id })).toBe(2);
    expect(await pairs(ada)).toEqual(
      [
        [cleo.id, "follow"],
        [cleo.id, "like"],
      ].sort(),
    );
    expect(await counters(ben)).toEqual({ like0: 1 });
  });

  it("are those of a type", async () => {
    expect(await remove({ type: "follow" })).toBe(2);
    expect((await pairs(ada)).map(([, type]) => type)).toEqual(["like", "like"]);
    expect(await counters(ada)).toEqual({ like0: 2, like1: 1 });
  });

  it("are all, but not what others have made", async () => {
    expect(await remove({})).toBe(4);
    expect(await pairs(ada)).toEqual([]);
    expect(await pairs(ben)).toEqual([[ada.id, "like"]]);
    expect(await counters(ada)).toEqual({ like1: 1 });
    expect([await received(ben), await received(cleo)]).toEqual([[], []]);
  });

  it.each([
    ["of a malformed peer", { peerId: "nobody" }],
    ["of a peer that is not there", { peerId: "0190163d8694739b8b1fcb8dd4e60777" }],
    ["of oneself", { peerId: "me" }],
    ["of a type there is none of", { type: "view" }],
    ["of a malformed type", { type: "' or true --" }],
  ])("are none when they are %s: that is no error", async (_, which) => {
    expect(await remove(which)).toBe(0);
    expect((await pairs(ada)).length).toBe(4);
    expect(await counters(ada)).toEqual({ like0: 2, follow0: 2, like1: 1 });
  });

  it("are none the second time", async () => {
    expect([await remove({ type: "like" }), await remove({ type: "like" })]).toEqual([2, 0]);
    expect(await counters(ada)).toEqual({ follow0: 2, like1: 1 });
  });
});

describe("the event connection.del", () => {
  it("tells each peer what is gone, as he has seen it", async () => {
    await put(ada, ben, "like", { a: { b: 1 } });
    await put(ada, cleo, "like");
    const shown = await received(ben);
    const streams = [await standingStream(backstay, ben.token), await standingStream(backstay, cleo.token)] as const;
    await remove({});
    const dels = await Promise.all(streams.map((stream) => nextDel(stream)));
    expect(dels[0]).toMatchObject({ path: "/connection/del", actorId: ada.id, topic: `account/${ben.id}` });
    expect(dels[0]?.data).toEqual(toJson(ConnectionSchema, shown[0]!));
    expect(dels[1]).toMatchObject({ topic: `account/${cleo.id}`, data: { peerId: ada.id, type: "like" } });
    expect(dels[0]?.id).not.toBe(dels[1]?.id);
  });

  it("is one for each connection to the same peer", async () => {
    for (const type of ["like", "follow"]) await put(ada, ben, type);
    const stream = await standingStream(backstay, ben.token);
    await remove({ peerId: ben.id });
    const types = [await nextDel(stream), await nextDel(stream)].map(({ data }) => data.type);
    expect(types.sort()).toEqual(["follow", "like"]);
  });

  async function nextDel(stream: Awaited<ReturnType<typeof standingStream>>): Promise<EventJson> {
    for (;;) {
      const event = await stream.event();
      if (event.type === "connection.del") return event;
    }
  }

  it("does not reach who has blocked the owner; the connection goes all the same", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like");
    await setBlock(sql, ben.id, ada.id);
    await put(ada, ben, "follow");
    expect(await counters(ada)).toEqual({ like0: 1, follow0: 1 });
    expect(await remove({ peerId: ben.id })).toBe(2);
    expect([await counters(ada), await counters(ben)]).toEqual([{}, {}]);
    expect(await differences()).toEqual([]);
    await setBlock(sql, ben.id, ada.id, false);
    expect(await received(ben)).toEqual([]);
    const events = await sql`select type from backstay.events where topic = ${`account/${ben.id}`} union all
      select type from backstay.outbox where ${`account/${ben.id}`} = any(topics)`;
    expect(events.map(({ type }) => type)).toEqual(["connection.add"]);
  });

  it("shows the peer what he saw, not what was written while he had blocked the owner", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben, "like", { n: 0 });
    const shown = await received(ben);
    await setBlock(sql, ben.id, ada.id);
    await put(ada, ben, "like", { n: 1 });
    await setBlock(sql, ben.id, ada.id, false);
    const stream = await standingStream(backstay, ben.token);
    await remove({ peerId: ben.id });
    expect((await nextDel(stream)).data).toEqual(toJson(ConnectionSchema, shown[0]!));
  });
});

describe("more than one statement deletes", () => {
  const COUNT = 1_201;

  async function makeMany(): Promise<void> {
    const sql = openDatabase(backstay);
    const peers = await makeAccounts(sql, COUNT / 2 - 0.5);
    await makeConnections(sql, ada.id, peers, ["like", "follow"]);
    await put(ada, ben, "view");
    expect(await differences()).toEqual([]);
  }

  it("all go at once, with their counters, and each is told", async () => {
    const sql = openDatabase(backstay);
    await makeMany();
    expect(await remove({})).toBe(COUNT);
    expect(await pairs(ada)).toEqual([]);
    expect(await counters(ada)).toEqual({});
    expect(await differences()).toEqual([]);
    const count = async () => {
      const [row] = await sql`select count(*)::int, count(distinct id)::int as ids, count(distinct topic)::int as topics
        from backstay.events where type = 'connection.del' and actor_id = ${ada.id}`;
      return { ...row };
    };
    await expect.poll(count, { timeout: 5_000 }).toEqual({ count: COUNT, ids: COUNT, topics: COUNT / 2 + 0.5 });
  });

  it("those of a type go alone", async () => {
    await makeMany();
    expect(await remove({ type: "like" })).toBe(COUNT / 2 - 0.5);
    expect(await counters(ada)).toEqual({ follow0: COUNT / 2 - 0.5, view0: 1 });
    expect(await differences()).toEqual([]);
  });

  it("none goes when the last one cannot", async () => {
    const sql = openDatabase(backstay);
    await makeMany();
    await sql.unsafe(`create function refuse() returns trigger language plpgsql as
        $$ begin if old.type = 'view' then raise exception 'not this one'; end if; return old; end $$;
      create trigger refuse before delete on backstay.connections for each row execute function refuse()`);
    onTestFinished(async () => {
      await sql.unsafe("drop function if exists refuse cascade");
    });
    expect(await refused(remove({}))).toMatchObject({ code: "internal" });
    expect(await counters(ada)).toMatchObject({ view0: 1, like0: COUNT / 2 - 0.5 });
    expect(await differences()).toEqual([]);
    const [told] =
      await sql`select count(*)::int from backstay.events where type = 'connection.del' and actor_id = ${ada.id}`;
    expect(told?.count).toBe(0);
  });
});

it("a connection to an account that is gone, and not erased yet, goes like any other", async () => {
  const sql = openDatabase(backstay);
  await put(ada, ben, "like");
  await sql`delete from backstay.accounts where id = ${ben.id}`;
  await put(ada, cleo, "like");
  expect(await remove({})).toBe(2);
  expect(await counters(ada)).toEqual({});
  expect(await differences()).toEqual([]);
});
