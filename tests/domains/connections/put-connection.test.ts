import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ConnectionSchema } from "#gen/backstay/connections/v1/connections_pb.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type EventJson, standingStream } from "../stream.js";
import { curl, openDatabase, operator, refused, testClock } from "../support.js";
import { audit, countersOf, setBlock } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

type Options = { properties?: Record<string, never | string | number | object | null>; createOnly?: boolean };
const put = (who: Person, peerId: string, type = "like", options: Options = {}, idempotencyKey?: string) =>
  who.client.connections.putConnection(
    { peerId, type, ...options } as Parameters<Person["client"]["connections"]["putConnection"]>[0],
    idempotencyKey === undefined ? {} : { idempotencyKey },
  );
const made = async (who: Person) => (await who.client.connections.listConnections({})).connections;
const received = async (who: Person) => (await who.client.connections.listReferences({})).connections;
const counters = (who: Person) => countersOf(openDatabase(backstay), who.id);
const differences = () => audit(openDatabase(backstay));
const json = (connection: unknown) => toJson(ConnectionSchema, connection as never);

const NO_PEER = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["peerId"] };
const NOBODY = "0190163d8694739b8b1fcb8dd4e60777";

describe("a connection", () => {
  it("stands in the connections of who made it, in the references of his peer, and in the counters of both", async () => {
    const { connection, connected } = await put(ada, ben.id, "like", { properties: { note: "hi", n: 1.5 } });
    expect(json(connection)).toEqual({
      peerId: ben.id,
      type: "like",
      properties: { note: "hi", n: 1.5 },
      createTime: expect.any(String),
      updateTime: expect.any(String),
    });
    expect(connection?.createTime).toEqual(connection?.updateTime);
    expect(connected).toBe(false);
    expect(await made(ada)).toEqual([connection]);
    expect(await received(ben)).toEqual([{ ...connection, peerId: ada.id }]);
    expect([await counters(ada), await counters(ben)]).toEqual([{ like0: 1 }, { like1: 1 }]);
  });

  it("that is put again is replaced, and counted once", async () => {
    const first = await put(ada, ben.id, "like", { properties: { a: 1, b: 2 } });
    clock.advance(5_000);
    const second = await put(ada, ben.id, "like", { properties: { a: 3 } });
    expect(second.connection?.properties).toEqual({ a: 3 });
    expect(second.connection?.createTime).toEqual(first.connection?.createTime);
    expect(Number(second.connection?.updateTime?.seconds)).toBe(Number(first.connection?.updateTime?.seconds) + 5);
    expect(await received(ben)).toEqual([{ ...second.connection, peerId: ada.id }]);
    expect([await counters(ada), await counters(ben)]).toEqual([{ like0: 1 }, { like1: 1 }]);
  });

  it("is not written earlier than it was, when the clock goes back", async () => {
    const first = await put(ada, ben.id);
    clock.advance(-60_000);
    const second = await put(ada, ben.id, "like", { properties: { a: 1 } });
    expect(second.connection?.updateTime).toEqual(first.connection?.updateTime);
    clock.advance(60_000);
  });

  it("of another type is another", async () => {
    for (const type of ["like", "follow", "a", `z${"9_".repeat(15)}x`]) await put(ada, ben.id, type);
    expect((await received(ben)).map(({ type }) => type).sort()).toEqual([
      "a",
      "follow",
      "like",
      `z${"9_".repeat(15)}x`,
    ]);
    expect(await counters(ben)).toMatchObject({ a1: 1, [`z${"9_".repeat(15)}x1`]: 1 });
  });

  it("says whether the peer has made one of its type too", async () => {
    await put(ben, ada.id, "follow");
    expect((await put(ada, ben.id, "like")).connected).toBe(false);
    expect((await put(ada, ben.id, "follow")).connected).toBe(true);
    expect((await put(ben, ada.id, "like")).connected).toBe(true);
  });

  it("can be made by REST and by the form of an id with dashes", async () => {
    const dashed = ben.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
    const response = await fetch(`${backstay.url}/v1/connections/${dashed}/follow`, {
      method: "PUT",
      headers: { authorization: `Bearer ${ada.token}`, "content-type": "application/json" },
      body: JSON.stringify({ properties: { list: [1, "two", null] } }),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      connection: { peerId: ben.id, type: "follow", properties: { list: [1, "two", null] } },
    });
  });
});

describe("case 54: the peer", () => {
  it.each([NOBODY, "nobody", "' or true --"])("is not nobody: %s", async (id) => {
    expect(await refused(put(ada, id))).toEqual(NO_PEER);
    expect(await counters(ada)).toEqual({});
  });

  it("is not an account that was deleted", async () => {
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await refused(put(ada, ben.id))).toEqual(NO_PEER);
  });

  it("is not oneself, by id, with dashes or by me", async () => {
    const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    for (const id of [ada.id, dashed, "me"]) {
      expect(await refused(put(ada, id))).toEqual({
        code: "invalid_argument",
        reason: "CONNECTION_TO_SELF",
        fields: ["peerId"],
      });
    }
    expect(await counters(ada)).toEqual({});
  });
});

describe("case 54: the type", () => {
  const BAD = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["type"] };

  it.each(["", "__proto__", "a;drop", "Like", "1like", "li ke", "a".repeat(33), "like\n"])(
    "is lower-case letters, digits and underscores, a letter first: not %j",
    async (type) => {
      expect(await refused(put(ada, ben.id, type))).toEqual(BAD);
      expect(await counters(ada)).toEqual({});
    },
  );

  it("may be constructor, which is a word like any other", async () => {
    await put(ada, ben.id, "constructor");
    expect(await counters(ben)).toEqual({ constructor1: 1 });
  });

  it("is one of those the installation takes, where it says which", async () => {
    const strict = await startBackstay({ "connections.types": "match,star" });
    try {
      const [cleo, dan] = [await strict.signUp(), await strict.signUp()];
      for (const type of ["match", "star", "like", "dislike", "follow", "invite", "view"])
        await put(cleo, dan.id, type);
      expect(await refused(put(cleo, dan.id, "other"))).toEqual(BAD);
    } finally {
      await strict.stop();
    }
  });
});

describe("properties", () => {
  const TOO_LARGE = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["properties"] };
  const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });

  it("are kept as they are, whatever they are called", async () => {
    const properties = { __proto: 1, constructor: "x", "a.b": [true, { c: null }], "é🎈": "', --" };
    const { connection } = await put(ada, ben.id, "like", { properties });
    expect(connection?.properties).toEqual(properties);
    expect((await made(ada))[0]?.properties).toEqual(properties);
  });

  it("may have 4 KiB of JSON, and not a byte more", async () => {
    const properties = { x: "é".repeat(2_044) };
    expect(Buffer.byteLength(JSON.stringify(properties))).toBe(4_096);
    await put(ada, ben.id, "like", { properties });
    expect(await refused(put(ada, ben.id, "like", { properties: { x: `${properties.x}a` } }))).toEqual(TOO_LARGE);
    expect((await made(ada))[0]?.properties).toEqual(properties);
  });

  it("may have 8 levels", async () => {
    await put(ada, ben.id, "like", { properties: nested(8) as never });
    expect(await refused(put(ada, ben.id, "like", { properties: nested(9) as never }))).toEqual(TOO_LARGE);
  });

  it("are refused when the database would write them larger", async () => {
    const many = Array.from({ length: 40 }, () => 1e300);
    expect(await refused(put(ada, ben.id, "like", { properties: { many } }))).toEqual(TOO_LARGE);
    expect(await counters(ada)).toEqual({});
  });

  it.each([
    ["NUL", '{"a":"\\u0000"}', "NUL_IN_TEXT"],
    ["half a character", '{"\\ud800":1}', "INVALID_UTF8"],
  ])("are refused with %s", async (_, properties, reason) => {
    const body = `{"peerId":"${ben.id}","type":"like","properties":${properties}}`;
    const response = await fetch(`${backstay.url}/backstay.connections.v1.ConnectionService/PutConnection`, {
      method: "POST",
      headers: { authorization: `Bearer ${ada.token}`, "content-type": "application/json" },
      body,
    });
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain(reason);
  });
});

describe("an invite", () => {
  it("begins as sent, said or not, and begins anew with each put", async () => {
    const { connection } = await put(ada, ben.id, "invite", { properties: { team: "blue" } });
    expect(connection?.properties).toEqual({ team: "blue", state: "sent" });
    const again = await put(ada, ben.id, "invite", { properties: { state: "sent" } });
    expect(again.connection?.properties).toEqual({ state: "sent" });
    expect((await received(ben))[0]?.properties).toEqual({ state: "sent" });
  });

  it("does not begin as accepted", async () => {
    expect(await refused(put(ada, ben.id, "invite", { properties: { state: "accepted" } }))).toMatchObject({
      reason: "INVITE_STATE",
    });
    expect(await counters(ben)).toEqual({});
  });
});

describe("with create_only", () => {
  const EXISTS = { code: "already_exists", reason: "CONNECTION_EXISTS", fields: [] };

  it("refuses to replace", async () => {
    const first = await put(ada, ben.id, "like", { createOnly: true, properties: { a: 1 } });
    expect(await refused(put(ada, ben.id, "like", { createOnly: true }, "another"))).toEqual(EXISTS);
    expect(
      await curl(
        backstay,
        "connections.v1.ConnectionService/PutConnection",
        { peerId: ben.id, type: "like", createOnly: true },
        ada.token,
      ).catch((error: Error) => error.message),
    ).toContain("CONNECTION_EXISTS");
    expect(await made(ada)).toEqual([first.connection]);
    expect([await counters(ada), await counters(ben)]).toEqual([{ like0: 1 }, { like1: 1 }]);
  });

  it("makes one where none of this type and peer is, without a key too", async () => {
    await put(ada, ben.id, "follow");
    const answer = await curl<{ connection: object }>(
      backstay,
      "connections.v1.ConnectionService/PutConnection",
      { peerId: ben.id, type: "like", createOnly: true },
      ada.token,
    );
    expect(answer.connection).toMatchObject({ peerId: ben.id, type: "like" });
    expect(await counters(ben)).toEqual({ follow1: 1, like1: 1 });
  });

  it("a repeat of the same key answers the same, makes nothing and tells nothing", async () => {
    const stream = await standingStream(backstay, ben.token);
    const create = () => put(ada, ben.id, "like", { createOnly: true, properties: { a: 1 } }, "key");
    const first = await create();
    clock.advance(60_000);
    expect(await create()).toEqual(first);
    await put(ben, ada.id, "like");
    expect(await create()).toEqual({ ...first, connected: true });
    await put(ada, ben.id, "follow");
    expect((await stream.event(1_000)).data.type).toBe("like");
    expect((await stream.event(1_000)).data.type).toBe("follow");
    expect(await counters(ben)).toEqual({ like0: 1, like1: 1, follow1: 1 });
  });

  it("the key is not good for another request", async () => {
    await put(ada, ben.id, "like", { createOnly: true }, "key");
    for (const type of ["like", "follow"]) {
      expect(await refused(put(ada, ben.id, type, { createOnly: true, properties: { b: 1 } }, "key"))).toMatchObject({
        code: "failed_precondition",
        reason: "IDEMPOTENCY_MISMATCH",
      });
    }
    expect(await counters(ada)).toEqual({ like0: 1 });
  });

  it("a repeat does not bring back what was deleted meanwhile", async () => {
    const create = () => put(ada, ben.id, "like", { createOnly: true }, "key");
    await create();
    await ada.client.connections.deleteConnections({ peerId: ben.id });
    expect(await refused(create())).toMatchObject({ code: "not_found", reason: "CONNECTION_NOT_FOUND" });
    await put(ada, ben.id, "like", { createOnly: true }, "new");
    expect(await refused(create())).toMatchObject({ reason: "CONNECTION_NOT_FOUND" });
    expect(await counters(ada)).toEqual({ like0: 1 });
  });

  it("a refused create leaves its key free", async () => {
    await put(ada, ben.id, "like");
    expect(await refused(put(ada, ben.id, "like", { createOnly: true }, "key"))).toEqual(EXISTS);
    await ada.client.connections.deleteConnections({ peerId: ben.id });
    expect((await put(ada, ben.id, "like", { createOnly: true }, "key")).connection?.peerId).toBe(ben.id);
    expect(await refused(put(ada, NOBODY, "like", { createOnly: true }, "nobody"))).toEqual(NO_PEER);
  });

  it("twenty at once are one: of one key all answer it, of twenty keys the others are refused", async () => {
    const many = Array.from({ length: 20 }, (_, n) => n);
    const same = await Promise.all(many.map(() => put(ada, ben.id, "like", { createOnly: true }, "key")));
    expect(new Set(same.map(({ connection }) => JSON.stringify(json(connection)))).size).toBe(1);
    const outcomes = await Promise.all(
      many.map((n) =>
        put(ada, ben.id, "follow", { createOnly: true }, `key-${n}`).then(
          () => "made",
          ({ reason }) => reason,
        ),
      ),
    );
    expect(outcomes.sort()).toEqual([...Array(19).fill("CONNECTION_EXISTS"), "made"]);
    expect(await counters(ben)).toEqual({ like1: 1, follow1: 1 });
  });
});

describe("with a key and without create_only", () => {
  const invite = (key: string) => put(ada, ben.id, "invite", { properties: { text: "Come" } }, key);

  it("a repeat writes nothing, and answers what is there by then", async () => {
    const first = await invite("key");
    clock.advance(60_000);
    expect(await invite("key")).toEqual(first);
    const answered = { peerId: ada.id, type: "invite", properties: { state: "accepted" } };
    await ben.client.connections.updateConnection({ connection: answered });
    expect((await invite("key")).connection?.properties).toEqual({ text: "Come", state: "accepted" });
    expect((await invite("new")).connection?.properties).toEqual({ text: "Come", state: "sent" });
  });

  it("so does one of what replaced another", async () => {
    await put(ada, ben.id, "like", { properties: { a: 1 } });
    const replace = () => put(ada, ben.id, "like", { properties: { a: 2 } }, "key");
    const replaced = await replace();
    await put(ada, ben.id, "like", { properties: { a: 3 } });
    expect((await replace()).connection?.properties).toEqual({ a: 3 });
    expect(replaced.connection?.properties).toEqual({ a: 2 });
  });

  it("a repeat does not bring back what was deleted meanwhile", async () => {
    await invite("key");
    await ada.client.connections.deleteConnections({ peerId: ben.id });
    expect(await refused(invite("key"))).toMatchObject({ code: "not_found", reason: "CONNECTION_NOT_FOUND" });
    expect(await counters(ada)).toEqual({});
  });

  it("the key is not good for another request, and a refused put leaves it free", async () => {
    expect(await refused(put(ada, NOBODY, "like", {}, "key"))).toEqual(NO_PEER);
    await put(ada, ben.id, "like", {}, "key");
    expect(await refused(put(ada, ben.id, "like", { properties: { b: 1 } }, "key"))).toMatchObject({
      reason: "IDEMPOTENCY_MISMATCH",
    });
  });
});

describe("the event", () => {
  it("is connection.add for the peer alone, whose data is the reference as he lists it", async () => {
    const [own, theirs] = [await standingStream(backstay, ada.token), await standingStream(backstay, ben.token)];
    await put(ada, ben.id, "like", { properties: { a: [1] } });
    const event = await theirs.event(1_000);
    expect(event).toMatchObject({
      type: "connection.add",
      path: "/connection/add",
      actorId: ada.id,
      topic: `account/${ben.id}`,
    });
    expect(event.data).toEqual(json((await received(ben))[0]));
    await put(ben, ada.id, "view");
    expect((await own.event(1_000)).data).toMatchObject({ peerId: ben.id, type: "view" });
  });

  it.each(["2031-03-03T04:05:06.000Z", "2031-03-03T04:05:06.100Z", "2031-03-03T04:05:06.123Z"])(
    "is connection.update when it was replaced, with times as proto JSON has them: %s",
    async (time) => {
      clock.set(time);
      const [cleo, dan] = [await backstay.signUp(), await backstay.signUp()];
      await put(cleo, dan.id);
      clock.advance(1_000);
      const stream = await standingStream(backstay, dan.token);
      await put(cleo, dan.id, "like", { properties: { again: true } as never });
      let event = await stream.event(1_000);
      // What was said before the stream stood may be on its way still.
      if (event.type === "connection.add") event = await stream.event(1_000);
      expect(event.type).toBe("connection.update");
      expect(event.data).toEqual(json((await received(dan))[0]));
    },
  );

  it("is not there when the put was refused", async () => {
    const stream = await standingStream(backstay, ben.token);
    await refused(put(ada, ben.id, "invite", { properties: { state: "declined" } }));
    await put(ada, ben.id, "view");
    expect((await stream.event(1_000)).data.type).toBe("view");
  });
});

describe("while the peer has blocked the owner", () => {
  /** What a put does, by what the connection was before and whether its peer blocks now. */
  const STATES = {
    "not there": async () => {},
    "there, and seen": async () => {
      await put(ada, ben.id, "like", { properties: { n: 0 } });
    },
    "there, and withheld": async () => {
      const sql = openDatabase(backstay);
      await setBlock(sql, ben.id, ada.id);
      await put(ada, ben.id, "like", { properties: { n: 0 } });
      await setBlock(sql, ben.id, ada.id, false);
    },
  };
  type State = keyof typeof STATES;

  it.each<[State, boolean, { seen: object[]; like1: number; events: string[] }]>([
    ["not there", false, { seen: [{ n: 1 }], like1: 1, events: ["connection.add"] }],
    ["not there", true, { seen: [], like1: 0, events: [] }],
    ["there, and seen", false, { seen: [{ n: 1 }], like1: 1, events: ["connection.update"] }],
    ["there, and seen", true, { seen: [{ n: 0 }], like1: 1, events: [] }],
    ["there, and withheld", false, { seen: [{ n: 1 }], like1: 1, events: ["connection.add"] }],
    ["there, and withheld", true, { seen: [], like1: 0, events: [] }],
  ])("a connection that was %s, blocked now: %s", async (state, isBlocked, expected) => {
    const sql = openDatabase(backstay);
    await STATES[state]();
    const stream = await standingStream(backstay, ben.token);
    if (isBlocked) await setBlock(sql, ben.id, ada.id);
    const { connection } = await put(ada, ben.id, "like", { properties: { n: 1 } });

    // The owner sees the same either way.
    expect(connection?.properties).toEqual({ n: 1 });
    expect(await made(ada)).toEqual([connection]);
    expect(await counters(ada)).toEqual({ like0: 1 });

    if (isBlocked) {
      expect(await received(ben)).toEqual([]);
      await setBlock(sql, ben.id, ada.id, false);
    }
    expect((await received(ben)).map(({ properties }) => properties)).toEqual(expected.seen);
    expect((await counters(ben)).like1 ?? 0).toBe(expected.like1);
    expect(await differences()).toEqual([]);
    await put(ada, ben.id, "view");
    const told: EventJson[] = [];
    for (let event = await stream.event(); event.data.type !== "view"; event = await stream.event()) told.push(event);
    expect(told.filter(({ data }) => (data.properties as { n: number }).n === 1).map(({ type }) => type)).toEqual(
      expected.events,
    );
  });

  it("he keeps the time and the properties that he saw, through any number of puts, until one after the block", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben.id, "like", { properties: { n: 0 } });
    const seen = await received(ben);
    await setBlock(sql, ben.id, ada.id);
    for (const n of [1, 2]) {
      clock.advance(1_000);
      await put(ada, ben.id, "like", { properties: { n } });
    }
    await setBlock(sql, ben.id, ada.id, false);
    expect(await received(ben)).toEqual(seen);
    const { connection } = await put(ada, ben.id, "like", { properties: { n: 3 } });
    expect(await received(ben)).toEqual([{ ...connection, peerId: ada.id }]);
  });

  it("create_only, and its repeat, answer as they do to anybody", async () => {
    await setBlock(openDatabase(backstay), ben.id, ada.id);
    const create = (key: string) => put(ada, ben.id, "like", { createOnly: true }, key);
    const first = await create("key");
    expect(await create("key")).toEqual(first);
    expect(await refused(create("another"))).toMatchObject({ reason: "CONNECTION_EXISTS" });
    expect([await counters(ada), await counters(ben)]).toEqual([{ like0: 1 }, {}]);
    expect(await differences()).toEqual([]);
  });

  it("what the peer made is connected still: nothing changes for who is blocked", async () => {
    await put(ben, ada.id, "like");
    await setBlock(openDatabase(backstay), ben.id, ada.id);
    expect((await put(ada, ben.id, "like")).connected).toBe(true);
  });

  it("what the blocked one makes does not count as connected for the other, then or later", async () => {
    const sql = openDatabase(backstay);
    await put(ada, ben.id, "follow");
    await setBlock(sql, ben.id, ada.id);
    await put(ada, ben.id, "like");
    for (const type of ["like", "follow"]) expect((await put(ben, ada.id, type)).connected).toBe(false);
    await setBlock(sql, ben.id, ada.id, false);
    expect((await put(ben, ada.id, "follow")).connected).toBe(true);
    expect((await put(ben, ada.id, "like")).connected).toBe(false);
  });
});

describe("the owner", () => {
  it("needs a token, and is an account", async () => {
    const anonymous = backstay.anonymous().connections.putConnection({ peerId: ben.id, type: "like" });
    expect(await refused(anonymous)).toMatchObject({ code: "unauthenticated", reason: "TOKEN_MISSING" });
    const byOperator = operator(backstay).connections.putConnection({ peerId: ben.id, type: "like" });
    expect(await refused(byOperator)).toMatchObject({ code: "permission_denied", reason: "ACCOUNT_REQUIRED" });
  });
});

it("every counter is its rows after all of this", async () => {
  expect(await differences()).toEqual([]);
});
