import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openDatabase, operator, refused, testClock, upTo } from "../support.js";
import { callsOf } from "./calls.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
const {
  ask,
  refused: refusedCall,
  put,
  connected,
  made,
  received,
  block,
  unblock,
  blocked,
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

const seenBy = (peer: Person, connection: object) => ({ ...connection, peerId: peer.id });

describe("whom to block", () => {
  it("is another account, by its id in either spelling", async () => {
    expect(await block(ada, ben)).toEqual({});
    const carl = await backstay.signUp();
    const dashed = carl.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
    await ask(ada, "Block", { peerId: dashed });
    expect((await blocked(ada)).map(({ peerId }) => peerId)).toEqual([ben.id, carl.id].sort());
    expect(await blocked(ben)).toEqual([]);
  });

  it("is not oneself", async () => {
    for (const peerId of [ada.id, "me"]) {
      expect(await refusedCall(ada, "Block", { peerId })).toEqual({
        code: "invalid_argument",
        reason: "CONNECTION_TO_SELF",
        fields: ["peerId"],
      });
    }
  });

  const noAccount = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["peerId"] };

  it.each(["nobody", "0190163d8694739b8b1fcb8dd4e60777", "' or true --"])("is not nobody: %s", async (peerId) => {
    expect(await refusedCall(ada, "Block", { peerId })).toEqual(noAccount);
    expect(await blocked(ada)).toEqual([]);
  });

  it("is not an account that was deleted; with it a block goes", async () => {
    await block(ada, ben);
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await blocked(ada)).toEqual([]);
    expect(await refusedCall(ada, "Block", { peerId: ben.id })).toEqual(noAccount);
  });

  it("is not an account that is deleted while the block waits for it", async () => {
    const sql = openDatabase(backstay);
    let blocking: Promise<unknown> | undefined;
    await sql.begin(async (tx) => {
      await tx`delete from backstay.accounts where id = ${ben.id}`;
      blocking = refusedCall(ada, "Block", { peerId: ben.id });
      const waits = async () =>
        (await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%blocks%'`).length;
      await expect.poll(waits, { timeout: 5_000 }).toBeGreaterThan(0);
    });
    expect(await blocking).toEqual(noAccount);
  });

  it("is said by an account, and has to be said", async () => {
    expect(await refused(backstay.anonymous().connections.block({ peerId: ben.id }))).toMatchObject({
      reason: "TOKEN_MISSING",
    });
    expect(await refused(operator(backstay).connections.block({ peerId: ben.id }))).toMatchObject({
      reason: "ACCOUNT_REQUIRED",
    });
    expect(await refusedCall(ada, "Block", {})).toMatchObject({ reason: "INVALID_FIELD", fields: ["peerId"] });
  });
});

it("changes nothing when it is done twice, or many times at once", async () => {
  await block(ada, ben);
  const [first] = await blocked(ada);
  expect(first).toEqual({ peerId: ben.id, createTime: clock.now().toISOString() });
  clock.advance(1_000);
  await Promise.all(upTo(20).map(() => block(ada, ben)));
  expect(await blocked(ada)).toEqual([first]);
});

it("is of one side: the other may block as well", async () => {
  await block(ada, ben);
  await block(ben, ada);
  await unblock(ada, ben);
  expect([await blocked(ada), await blocked(ben)]).toEqual([[], [expect.objectContaining({ peerId: ada.id })]]);
});

describe("what was there before", () => {
  it("stays and stays counted; the blocker's lists leave it out, the other's do not", async () => {
    const connections = { of: await put(ben, ada, "like", { a: 1 }), by: await put(ada, ben, "follow") };
    const before = { ada: await counters(ada), ben: await counters(ben) };
    await block(ada, ben);
    expect([await made(ada), await received(ada)]).toEqual([[], []]);
    expect(await made(ben)).toEqual([connections.of]);
    expect(await received(ben)).toEqual([seenBy(ada, connections.by)]);
    expect({ ada: await counters(ada), ben: await counters(ben) }).toEqual(before);
    expect(before).toEqual({ ada: { follow0: 1, like1: 1 }, ben: { follow1: 1, like0: 1 } });
  });

  it("leaves connections with everybody else in the lists", async () => {
    const carl = await backstay.signUp();
    await put(ben, ada, "like");
    const others = { made: await put(ada, carl, "like"), received: await put(carl, ada, "like") };
    await block(ada, ben);
    expect(await made(ada)).toEqual([others.made]);
    expect(await received(ada)).toEqual([seenBy(carl, others.received)]);
  });

  it("is replaced for its owner alone: he sees it, and reads the counters that he read before", async () => {
    const before = await put(ben, ada, "like", { a: 1 });
    await block(ada, ben);
    clock.advance(1_000);
    const replaced = await put(ben, ada, "like", { a: 2 });
    expect(replaced).toEqual({ ...before, properties: { a: 2 }, updateTime: clock.now().toISOString() });
    expect(await made(ben)).toEqual([replaced]);
    expect([await counters(ada), await counters(ben)]).toEqual([{ like1: 1 }, { like0: 1 }]);
    expect(await events(ada)).toHaveLength(1);
  });

  it("goes when its owner deletes it, with its counters, and the one who blocked him is not told", async () => {
    await put(ben, ada, "like");
    await block(ada, ben);
    expect(await ask(ben, "DeleteConnections", { peerId: ada.id })).toEqual({ deletedCount: 1 });
    await unblock(ada, ben);
    expect(await received(ada)).toEqual([]);
    expect([await counters(ada), await counters(ben)]).toEqual([{}, {}]);
    expect((await events(ada)).map(({ type }) => type)).toEqual(["connection.add"]);
  });
});

describe("what a blocked person makes meanwhile", () => {
  beforeEach(() => block(ada, ben));

  it("answers as done and lists on his side; it is not on the other, counts nothing there, and tells nobody", async () => {
    const connection = await put(ben, ada, "like", { a: 1 });
    expect(connection).toMatchObject({ peerId: ada.id, type: "like", properties: { a: 1 } });
    expect(await made(ben)).toEqual([connection]);
    expect(await counters(ben)).toEqual({ like0: 1 });
    expect([await received(ada), await counters(ada), await events(ada)]).toEqual([[], {}, []]);
  });

  it("is replaced, and is there for a create, as if nothing were withheld", async () => {
    const first = await put(ben, ada, "like", { a: 1 });
    clock.advance(1_000);
    const second = await put(ben, ada, "like", { a: 2 });
    expect(second.createTime).toBe(first.createTime);
    const request = { peerId: ada.id, type: "like", createOnly: true };
    expect(await refusedCall(ben, "PutConnection", request)).toMatchObject({ reason: "CONNECTION_EXISTS" });
    expect(await counters(ben)).toEqual({ like0: 1 });
    expect(await ask(ben, "DeleteConnections", {})).toEqual({ deletedCount: 1 });
    expect([await counters(ben), await counters(ada), await made(ben)]).toEqual([{}, {}, []]);
  });

  it("does not make the blocker's own connection a mutual one, but his stays one for the other", async () => {
    await put(ben, ada, "follow");
    expect(await connected(ada, ben, "follow")).toBe(false);
    expect(await connected(ben, ada, "follow")).toBe(true);
  });
});
