import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, refused, testClock } from "../support.js";
import { callsOf } from "./calls.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
const {
  ask,
  refused: refusedCall,
  put,
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

it("lifts the block of one account, and no other", async () => {
  const carl = await backstay.signUp();
  await block(ada, ben);
  await block(ada, carl);
  await block(ben, ada);
  expect(await unblock(ada, ben)).toEqual({});
  expect((await blocked(ada)).map(({ peerId }) => peerId)).toEqual([carl.id]);
  expect((await blocked(ben)).map(({ peerId }) => peerId)).toEqual([ada.id]);
});

it.each(["nobody", "0190163d8694739b8b1fcb8dd4e60777", "me", "' or true --"])(
  "is no error for whom nobody has blocked: %s",
  async (peerId) => {
    await block(ada, ben);
    expect(await ask(ada, "Unblock", { peerId })).toEqual({});
    expect(await blocked(ada)).toHaveLength(1);
  },
);

it("is said by an account, and of whom", async () => {
  expect(await refused(backstay.anonymous().connections.unblock({ peerId: ben.id }))).toMatchObject({
    reason: "TOKEN_MISSING",
  });
  expect(await refusedCall(ada, "Unblock", {})).toMatchObject({ reason: "INVALID_FIELD", fields: ["peerId"] });
});

it("is a DELETE by REST, as to block is a PUT", async () => {
  const answer = async (method: string, path: string) => {
    const response = await fetch(`${backstay.url}/v1/blocks${path}`, { method, headers: bearer(ada.token) });
    return [response.status, await response.json()];
  };
  expect(await answer("PUT", `/${ben.id}`)).toEqual([200, {}]);
  expect(await answer("GET", "")).toEqual([200, { blocks: [expect.objectContaining({ peerId: ben.id })] }]);
  expect(await answer("DELETE", `/${ben.id}`)).toEqual([200, {}]);
  expect(await blocked(ada)).toEqual([]);
});

it("blocks anew as of then, when the account is blocked again", async () => {
  await block(ada, ben);
  await unblock(ada, ben);
  clock.advance(1_000);
  await block(ada, ben);
  expect(await blocked(ada)).toEqual([{ peerId: ben.id, createTime: clock.now().toISOString() }]);
});

describe("what is seen again", () => {
  it("is what was there before the block, as it was then", async () => {
    const like = await put(ben, ada, "like", { a: 1 });
    const follow = await put(ada, ben, "follow");
    await block(ada, ben);
    clock.advance(1_000);
    await put(ben, ada, "like", { a: 2 });
    await put(ben, ada, "view");
    await unblock(ada, ben);
    expect(await received(ada)).toEqual([{ ...like, peerId: ben.id }]);
    expect(await made(ada)).toEqual([follow]);
    expect(await counters(ada)).toEqual({ follow0: 1, like1: 1 });
    expect(await counters(ben)).toEqual({ follow1: 1, like0: 1, view0: 1 });
    expect(await events(ada)).toHaveLength(1);
  });

  it("is also what was made meanwhile once it is put again: it counts then, once, and is told", async () => {
    await block(ada, ben);
    const hidden = await put(ben, ada, "like", { a: 1 });
    await unblock(ada, ben);
    clock.advance(1_000);
    const shown = await put(ben, ada, "like", { a: 2 });
    expect(shown.createTime).toBe(hidden.createTime);
    expect(await received(ada)).toEqual([{ ...shown, peerId: ben.id }]);
    await put(ben, ada, "like", { a: 3 });
    expect([await counters(ada), await counters(ben)]).toEqual([{ like1: 1 }, { like0: 1 }]);
    expect((await events(ada)).map(({ type }) => type)).toEqual(["connection.add", "connection.update"]);
    expect(await ask(ben, "DeleteConnections", { type: "like" })).toEqual({ deletedCount: 1 });
    expect([await counters(ada), await counters(ben)]).toEqual([{}, {}]);
  });

  it("is not what was made and deleted meanwhile", async () => {
    await block(ada, ben);
    await put(ben, ada, "like");
    await ask(ben, "DeleteConnections", {});
    await unblock(ada, ben);
    expect([await received(ada), await counters(ada), await events(ada)]).toEqual([[], {}, []]);
  });
});
