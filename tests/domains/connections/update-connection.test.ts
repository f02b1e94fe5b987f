import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { bearer, openDatabase, refused, testClock, upTo } from "../support.js";
import { callsOf, type UpdateJson } from "./calls.js";
import { setBlock } from "./support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
const {
  ask,
  refused: refusedCall,
  put,
  update,
  made,
  received,
  block,
  unblock,
  counters,
  events,
} = callsOf(() => backstay);
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

/** Ada's connection to Ben, with what is to become of it. */
const like = (properties?: Record<string, unknown>, updateMask?: string): UpdateJson => ({
  connection: { peerId: ben.id, type: "like", ...(properties && { properties }) },
  ...(updateMask !== undefined && { updateMask }),
});

describe("properties", () => {
  it("are merged key by key: what is given replaces, null removes, everything else stays", async () => {
    const first = await put(ada, ben, "like", { stays: 1, goes: "x", changes: { deep: [1], other: true } });
    clock.advance(1_500);
    const second = await update(ada, like({ goes: null, changes: { deep: null }, comes: [null] }));
    expect(second).toEqual({
      peerId: ben.id,
      type: "like",
      properties: { stays: 1, changes: { deep: null }, comes: [null] },
      createTime: first.createTime,
      updateTime: clock.now().toISOString(),
    });
  });

  it("are the same for the peer, and no counter moves", async () => {
    await put(ada, ben, "like", { a: 1 });
    const before = [await counters(ada), await counters(ben)];
    clock.advance(1_000);
    const updated = await update(ada, like({ b: 2 }));
    expect(await made(ada)).toEqual([updated]);
    expect(await received(ben)).toEqual([{ ...updated, peerId: ada.id }]);
    expect([await counters(ada), await counters(ben)]).toEqual(before);
    expect(before).toEqual([{ like0: 1 }, { like1: 1 }]);
  });

  it("of other connections stay: of another type, of another peer, and of the peer", async () => {
    const carl = await backstay.signUp();
    const others = [await put(ada, ben, "follow", { a: 1 }), await put(ada, carl, "like", { a: 1 })];
    const back = await put(ben, ada, "like", { a: 1 });
    await put(ada, ben, "like", { a: 1 });
    await update(ada, like({ a: 2 }));
    expect(await made(ada)).toEqual(expect.arrayContaining(others));
    expect(await made(ben)).toEqual([back]);
  });

  it("may be called anything, and a state is a property like others where it is no invite", async () => {
    await put(ada, ben, "like", { state: "sent" });
    const odd = { state: "accepted", "": 1, "a.b": 2, "😀": "\u202e", constructor: 3, "'; --": 4 };
    const json = `{"connection":{"peerId":"${ben.id}","type":"like","properties":{"__proto__":5}}}`;
    expect((await update(ada, like(odd))).properties).toEqual(odd);
    await update(ada, JSON.parse(json));
    const [kept] = await openDatabase(backstay)`select properties::text as json from backstay.connections
      where account_id = ${ada.id}`;
    expect(JSON.parse(kept!.json)).toEqual(JSON.parse(`{"__proto__":5,${JSON.stringify(odd).slice(1)}`));
  });

  it("of many changes at once are all kept", async () => {
    await put(ada, ben, "like");
    await Promise.all(upTo(40).map((n) => update(ada, like({ [`k${n}`]: n }))));
    const expected = Object.fromEntries(upTo(40).map((n) => [`k${n}`, n]));
    expect((await made(ada))[0]?.properties).toEqual(expected);
    expect((await received(ben))[0]?.properties).toEqual(expected);
  });

  const outOfBounds = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["connection.properties"] };

  it("are at most 4 KiB in a request, and 8 levels deep", async () => {
    await put(ada, ben, "like", { a: 1 });
    const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });
    await update(ada, like({ long: "x".repeat(4 * 1024 - '{"long":""}'.length) }));
    await update(ada, like(nested(8) as Record<string, unknown>));
    for (const properties of [{ long: "x".repeat(4 * 1024 - 10) }, nested(9) as Record<string, unknown>]) {
      expect(await refusedCall(ada, "UpdateConnection", like(properties))).toEqual(outOfBounds);
    }
  });

  it("are at most 16 KiB together", async () => {
    const big = "x".repeat(3_900);
    await put(ada, ben, "like", { a: big });
    for (const key of ["b", "c", "d"]) await update(ada, like({ [key]: big }));
    expect(await refusedCall(ada, "UpdateConnection", like({ e: big }))).toEqual(outOfBounds);
    const changed = await update(ada, like({ a: null, e: big }));
    expect(changed).toMatchObject({ properties: { b: big, c: big, d: big, e: big } });
  });

  it("are counted as the database writes them, with a space after each colon and comma", async () => {
    const numbers = Array.from({ length: 2_000 }, () => 1);
    await put(ada, ben, "like", { a: numbers });
    await update(ada, like({ b: numbers }));
    // Three of them have 12 KiB as they are sent, and 18 KiB there.
    expect(await refusedCall(ada, "UpdateConnection", like({ c: numbers }))).toEqual(outOfBounds);
  });

  it("are bounded also where the peer sees others, and the caller cannot tell that he does", async () => {
    await put(ada, ben, "like");
    const sql = openDatabase(backstay);
    const big = "x".repeat(3_600);
    for (const round of upTo(8)) {
      const added = { [`k${round}`]: big };
      expect((await update(ada, like(added))).properties).toEqual(added);
      await setBlock(sql, ben.id, ada.id);
      await update(ada, like({ [`k${round}`]: null }));
      await setBlock(sql, ben.id, ada.id, false);
    }
    // What the peer has no room for he does not see.
    const [reference] = await received(ben);
    expect(Object.keys(reference!.properties ?? {})).toEqual(["k1", "k2", "k3", "k4"]);
    await put(ada, ben, "like", { a: 1 });
    expect((await received(ben))[0]?.properties).toEqual({ a: 1 });
  });

  it("have as much room while the peer has blocked the caller and goes on seeing what he saw", async () => {
    const big = "x".repeat(3_900);
    await put(ada, ben, "like", { a: big });
    for (const key of ["b", "c", "d"]) await update(ada, like({ [key]: big }));
    await setBlock(openDatabase(backstay), ben.id, ada.id);
    const changed = await update(ada, like({ d: null, e: big }));
    expect(changed).toMatchObject({ properties: { a: big, b: big, c: big, e: big } });
    expect(await refusedCall(ada, "UpdateConnection", like({ d: big }))).toEqual(outOfBounds);
  });

  it("may be put anew, whatever the peer who has blocked the caller goes on seeing", async () => {
    const full = Object.fromEntries(["a", "b", "c", "d"].map((key) => [key, "x".repeat(3_900)]));
    await put(ada, ben, "like");
    for (const [key, value] of Object.entries(full)) await update(ada, like({ [key]: value }));
    const sql = openDatabase(backstay);
    await setBlock(sql, ben.id, ada.id);
    const anew = { a: Array.from({ length: 2_000 }, () => 1) };
    expect(await put(ada, ben, "like", anew)).toMatchObject({ properties: anew });
    await setBlock(sql, ben.id, ada.id, false);
    expect((await received(ben))[0]?.properties).toEqual(full);
  });

  it("have no text that the database does not take", async () => {
    await put(ada, ben, "like", { a: 1 });
    expect(await refusedCall(ada, "UpdateConnection", like({ a: "a\0b" }))).toMatchObject({ reason: "NUL_IN_TEXT" });
    expect(await refusedCall(ada, "UpdateConnection", like({ "a\0b": 1 }))).toMatchObject({ reason: "NUL_IN_TEXT" });
    expect((await made(ada))[0]?.properties).toEqual({ a: 1 });
  });
});

describe("the mask", () => {
  beforeEach(() => put(ada, ben, "like", { a: 1, b: 2, last_seen: 3 }));

  it("names all that are given, or single ones; one that is named and not given goes", async () => {
    expect(await update(ada, like({ a: 5 }, "properties"))).toMatchObject({ properties: { a: 5, b: 2, last_seen: 3 } });
    expect((await update(ada, like({ a: 6, b: 7 }, "properties.a"))).properties).toEqual({ a: 6, b: 2, last_seen: 3 });
    expect((await update(ada, like({ a: 8 }, "properties.a,properties.b"))).properties).toEqual({ a: 8, last_seen: 3 });
    expect((await update(ada, like(undefined, "properties.a"))).properties).toEqual({ last_seen: 3 });
  });

  it("spells a key with underscores as JSON spells masks, and means what is given", async () => {
    expect((await update(ada, like({ last_seen: 4 }, "properties.lastSeen"))).properties).toMatchObject({
      last_seen: 4,
    });
    expect((await update(ada, like({ nextTurn: 5 }, "properties.nextTurn"))).properties).toMatchObject({ nextTurn: 5 });
    expect((await update(ada, like({}, "properties.nextTurn,properties.lastSeen"))).properties).toEqual({ a: 1, b: 2 });
  });

  it("comes by the client as the keys are spelled", async () => {
    const connection = { peerId: ben.id, type: "like", properties: { last_seen: 6, a: 7 } };
    const updateMask = { paths: ["properties.last_seen"] };
    const answer = await ada.client.connections.updateConnection({ connection, updateMask });
    expect(answer.connection?.properties).toEqual({ a: 1, b: 2, last_seen: 6 });
  });

  it.each(["type", "peerId", "createTime", "updateTime", "account", "state", "properties.", "properties.a.b", "*"])(
    "is refused when it names anything else: %s",
    async (path) => {
      for (const updateMask of [path, `properties.a,${path}`]) {
        expect(await refusedCall(ada, "UpdateConnection", like({ a: 9 }, updateMask))).toEqual({
          code: "invalid_argument",
          reason: "INVALID_MASK",
          fields: [["createTime", "updateTime", "account"].includes(path) ? `connection.${path}` : "updateMask"],
        });
      }
      expect((await made(ada))[0]?.properties).toMatchObject({ a: 1 });
    },
  );

  it.each([undefined, {}])("without anything to change is refused: %j", async (properties) => {
    for (const updateMask of [undefined, "", "properties"]) {
      expect(await refusedCall(ada, "UpdateConnection", like(properties, updateMask))).toEqual({
        code: "invalid_argument",
        reason: "INVALID_MASK",
        fields: ["connection.properties"],
      });
    }
  });
});

describe("what only the server sets", () => {
  it("is not taken from the connection that is given", async () => {
    const { createTime } = await put(ada, ben, "like");
    const request = like({ a: 1 });
    request.connection.createTime = "2001-01-01T00:00:00Z";
    expect((await update(ada, request)).createTime).toBe(createTime);
  });
});

describe("which connection", () => {
  const notFound = { code: "not_found", reason: "CONNECTION_NOT_FOUND", fields: ["connection.peerId"] };

  it.each(["", "me", "nobody", "0190163d8694739b8b1fcb8dd4e60777", "' or true --"])(
    "is not one to nobody, or to oneself: %j",
    async (peerId) => {
      const connection = { peerId, type: "like", properties: { a: 1 } };
      expect(await refusedCall(ada, "UpdateConnection", { connection })).toEqual(notFound);
    },
  );

  it("is not one of another type, or the peer's", async () => {
    await put(ada, ben, "like");
    await put(ben, ada, "follow");
    for (const type of ["follow", "dislike", ""]) {
      const connection = { peerId: ben.id, type, properties: { a: 1 } };
      expect(await refusedCall(ada, "UpdateConnection", { connection })).toEqual(notFound);
    }
    expect((await received(ada))[0]?.properties ?? {}).toEqual({});
  });

  it("has to be said, by an account", async () => {
    expect(await refusedCall(ada, "UpdateConnection", {})).toMatchObject({ reason: "INVALID_FIELD" });
    const nobody = backstay.anonymous().connections;
    expect(await refused(nobody.updateConnection({ connection: { peerId: ben.id, type: "like" } }))).toMatchObject({
      reason: "TOKEN_MISSING",
    });
  });

  it("takes an id with dashes", async () => {
    await put(ada, ben, "like");
    const peerId = ben.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
    const { connection } = await ask<{ connection: object }>(ada, "UpdateConnection", {
      connection: { peerId, type: "like", properties: { a: 1 } },
    });
    expect(connection).toMatchObject({ peerId: ben.id, properties: { a: 1 } });
  });
});

describe("by REST", () => {
  const patch = async (path: string, body: object) => {
    const headers = { "content-type": "application/json", ...bearer(ada.token) };
    const response = await fetch(`${backstay.url}/v1/connections/${path}`, {
      method: "PATCH",
      headers,
      body: JSON.stringify(body),
    });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  };

  it("the path says which, the body what, and the mask is what stands in the body", async () => {
    const first = await put(ada, ben, "like", { a: 1, b: 2 });
    const { status, json } = await patch(`${ben.id}/like`, { properties: { a: null, last_seen: 3 } });
    expect(status).toBe(200);
    expect(json).toEqual({
      connection: { ...first, properties: { b: 2, last_seen: 3 }, updateTime: clock.now().toISOString() },
    });
    const named = await patch(`${ben.id}/like?updateMask=properties.b`, { properties: { a: 4 } });
    expect(named.json).toMatchObject({ connection: { properties: { last_seen: 3 } } });
  });

  it.each([["me/like"], ["nobody/like"], ["0190163d8694739b8b1fcb8dd4e60777/like"]])(
    "answers 404 where there is none: %s",
    async (path) => {
      const { status, json } = await patch(path, { properties: { a: 1 } });
      expect(status).toBe(404);
      expect(JSON.stringify(json)).toContain("CONNECTION_NOT_FOUND");
    },
  );

  it("refuses another field of the connection by name", async () => {
    await put(ada, ben, "like", { a: 1 });
    const { status, json } = await patch(`${ben.id}/like`, {
      properties: { a: 2 },
      createTime: "2001-01-01T00:00:00Z",
    });
    expect(status).toBe(400);
    expect(JSON.stringify(json)).toContain("INVALID_MASK");
    expect((await made(ada))[0]?.properties).toEqual({ a: 1 });
  });
});

describe("the event", () => {
  it("tells the peer, who is told what he sees, and nobody else", async () => {
    await put(ada, ben, "like", { a: 1 });
    const stream = await standingStream(backstay, ben.token);
    const { peerId: _, ...updated } = await update(ada, like({ b: 2 }));
    expect(await stream.event()).toMatchObject({
      type: "connection.update",
      path: "/connection/update",
      actorId: ada.id,
      data: { ...updated, peerId: ada.id },
    });
    expect((await events(ben)).map(({ type }) => type)).toEqual(["connection.add", "connection.update"]);
    expect(await events(ada)).toEqual([]);
  });

  it("is not told of what was refused", async () => {
    await put(ada, ben, "like", { a: "x".repeat(4_000) });
    for (const key of ["b", "c", "d"]) await update(ada, like({ [key]: "x".repeat(4_000) }));
    await refusedCall(ada, "UpdateConnection", like({ e: "x".repeat(4_000) }));
    await refusedCall(ada, "UpdateConnection", like({ a: 1 }, "type"));
    expect(await events(ben)).toHaveLength(4);
  });
});

describe("by somebody whom the peer has blocked", () => {
  it("is done for himself: the peer keeps what he saw, and is not told", async () => {
    const before = await put(ada, ben, "like", { a: 1, b: 2 });
    await block(ben, ada);
    clock.advance(1_000);
    const updated = await update(ada, like({ a: null, c: 3 }));
    expect(updated).toEqual({ ...before, properties: { b: 2, c: 3 }, updateTime: clock.now().toISOString() });
    clock.advance(1_000);
    const again = await update(ada, like({ d: 4 }));
    expect(again).toEqual({ ...before, properties: { b: 2, c: 3, d: 4 }, updateTime: clock.now().toISOString() });
    expect(await made(ada)).toEqual([again]);
    expect(await received(ben)).toEqual([]);
    await unblock(ben, ada);
    expect(await received(ben)).toEqual([{ ...before, peerId: ada.id }]);
    expect(await events(ben)).toHaveLength(1);
  });

  it("shows what he changes after that, but nothing of what he changed meanwhile, until he puts it anew", async () => {
    await put(ada, ben, "like", { a: 1 });
    await block(ben, ada);
    await update(ada, like({ secret: "x", a: 2 }));
    await unblock(ben, ada);
    clock.advance(1_000);
    const updated = await update(ada, like({ open: 3 }));
    expect(updated.properties).toEqual({ a: 2, secret: "x", open: 3 });
    expect(await received(ben)).toEqual([{ ...updated, peerId: ada.id, properties: { a: 1, open: 3 } }]);
    expect((await events(ben)).at(-1)).toMatchObject({ actorId: ada.id, data: { properties: { a: 1, open: 3 } } });
    const anew = await put(ada, ben, "like", { secret: "y" });
    expect(await received(ben)).toEqual([{ ...anew, peerId: ada.id }]);
  });

  it("leaves one view again where both come to the same", async () => {
    await put(ada, ben, "like", { a: 1 });
    await block(ben, ada);
    await update(ada, like({ a: 2 }));
    const views = () => openDatabase(backstay)`select peer_properties, peer_updated_at from backstay.connections
      where account_id = ${ada.id}`;
    expect((await views())[0]).toMatchObject({ peer_properties: { a: 1 }, peer_updated_at: expect.any(Date) });
    await unblock(ben, ada);
    clock.advance(1_000);
    await update(ada, like({ a: 3 }));
    expect((await views())[0]).toEqual({ peer_properties: null, peer_updated_at: null });
  });

  it("stays hidden, when it was made meanwhile, whatever is changed of it afterwards", async () => {
    await block(ben, ada);
    await put(ada, ben, "like", { a: 1 });
    await update(ada, like({ a: 2 }));
    await unblock(ben, ada);
    expect((await update(ada, like({ a: 3 }))).properties).toEqual({ a: 3 });
    expect(await received(ben)).toEqual([]);
    expect(await events(ben)).toEqual([]);
  });

  it("is refused as it would be otherwise", async () => {
    await put(ada, ben, "like", { a: 1 });
    await block(ben, ada);
    for (const key of ["b", "c", "d", "e"]) await update(ada, like({ [key]: "x".repeat(4_000) }));
    for (const request of [like({ f: "x".repeat(4_000) }), like({ a: 1 }, "type"), like({})]) {
      expect(await refusedCall(ada, "UpdateConnection", request)).toMatchObject({ code: "invalid_argument" });
    }
  });
});

it("reaches the peer whom its owner has blocked: what he does himself is not held back", async () => {
  await put(ada, ben, "like", { a: 1 });
  await block(ada, ben);
  const updated = await update(ada, like({ a: 2 }));
  expect(await received(ben)).toEqual([{ ...updated, peerId: ada.id }]);
  expect(await events(ben)).toHaveLength(2);
});
