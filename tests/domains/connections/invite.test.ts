import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { standingStream } from "../stream.js";
import { testClock, upTo } from "../support.js";
import { callsOf } from "./calls.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
const {
  refused: refusedCall,
  put,
  update,
  made,
  received,
  block,
  unblock,
  counters,
  events,
  ask,
} = callsOf(() => backstay);
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

/** Ada invites Ben. */
const invite = (properties?: object) => put(ada, ben, "invite", properties);

const change = (peer: Person, properties: Record<string, unknown>) => ({
  connection: { peerId: peer.id, type: "invite", properties },
});

/** What Ben answers Ada. */
const answer = (state: unknown) => update(ben, change(ada, { state }));

const notHis = {
  code: "failed_precondition",
  reason: "INVITE_STATE",
  fields: ["connection.properties.state"],
};
const refusedUpdate = (who: Person, peer: Person, properties: Record<string, unknown>) =>
  refusedCall(who, "UpdateConnection", change(peer, properties));
/** What such a call says of its refusal. */
const whyRefused = (who: Person, peer: Person, properties: Record<string, unknown>) =>
  update(who, change(peer, properties)).then(() => "it is not", String);

describe("an invite", () => {
  it("begins as sent, said or not, for both", async () => {
    expect((await invite({ note: "Tea?" })).properties).toEqual({ note: "Tea?", state: "sent" });
    expect((await invite({ state: "sent" })).properties).toEqual({ state: "sent" });
    expect((await received(ben))[0]).toMatchObject({ peerId: ada.id, properties: { state: "sent" } });
  });

  it.each(["accepted", "declined", "SENT", "", 0, null, ["sent"]])(
    "does not begin as anything else: %j",
    async (state) => {
      const request = { peerId: ben.id, type: "invite", properties: { state } };
      expect(await refusedCall(ada, "PutConnection", request)).toMatchObject({
        reason: "INVITE_STATE",
        fields: ["properties.state"],
      });
      expect(await made(ada)).toEqual([]);
      expect((await put(ada, ben, "follow", { state })).properties).toEqual({ state });
    },
  );

  it("begins anew when it is put again", async () => {
    await invite();
    await answer("declined");
    expect((await invite()).properties).toEqual({ state: "sent" });
    expect((await answer("accepted")).properties).toEqual({ state: "accepted" });
    expect((await made(ada))[0]?.properties).toEqual({ state: "accepted" });
  });
});

describe("the answer of the invited one", () => {
  it.each(["accepted", "declined"])("may be %s, and both see it", async (state) => {
    const sent = await invite({ note: "Tea?" });
    clock.advance(1_000);
    const answered = await answer(state);
    const properties = { note: "Tea?", state };
    expect(answered).toEqual({ ...sent, peerId: ada.id, properties, updateTime: clock.now().toISOString() });
    expect(await received(ben)).toEqual([answered]);
    expect(await made(ada)).toEqual([{ ...answered, peerId: ben.id }]);
    expect([await made(ben), await received(ada)]).toEqual([[], []]);
    expect([await counters(ada), await counters(ben)]).toEqual([{ invite0: 1 }, { invite1: 1 }]);
  });

  it("is told to both, as what he has done", async () => {
    await invite();
    const streams = { ada: await standingStream(backstay, ada.token), ben: await standingStream(backstay, ben.token) };
    const { peerId: _, ...answered } = await answer("accepted");
    const told = { type: "connection.update", path: "/connection/update", actorId: ben.id };
    expect(await streams.ada.event()).toMatchObject({ ...told, data: { ...answered, peerId: ben.id } });
    expect(await streams.ben.event()).toMatchObject({ ...told, data: { ...answered, peerId: ada.id } });
    expect((await events(ada)).map(({ type }) => type)).toEqual(["connection.update"]);
    expect((await events(ben)).map(({ type }) => type)).toEqual(["connection.add", "connection.update"]);
  });

  it.each(["sent", "maybe", "Accepted", "", 1, null, true, ["accepted"], { accepted: true }])(
    "is nothing else: %j",
    async (state) => {
      await invite();
      expect(await refusedUpdate(ben, ada, { state })).toEqual(notHis);
      expect((await made(ada))[0]?.properties).toEqual({ state: "sent" });
      expect(await events(ada)).toEqual([]);
    },
  );

  it("is the state alone", async () => {
    await invite({ note: "Tea?" });
    const others = [
      { note: "Coffee" },
      { note: null },
      { state: "accepted", note: "Coffee" },
      { state: "accepted", x: null },
    ];
    for (const properties of others) expect(await refusedUpdate(ben, ada, properties)).toEqual(notHis);
    const masked = { ...change(ada, { state: "accepted" }), updateMask: "properties.state,properties.note" };
    expect(await refusedCall(ben, "UpdateConnection", masked)).toEqual(notHis);
    expect((await made(ada))[0]?.properties).toEqual({ note: "Tea?", state: "sent" });
    const only = { ...change(ada, { state: "accepted", note: "x" }), updateMask: "properties.state" };
    expect((await update(ben, only)).properties).toEqual({ note: "Tea?", state: "accepted" });
  });

  it("is given once", async () => {
    await invite();
    await answer("accepted");
    for (const state of ["accepted", "declined", "sent"])
      expect(await refusedUpdate(ben, ada, { state })).toEqual(notHis);
    expect((await made(ada))[0]?.properties).toEqual({ state: "accepted" });
  });

  it("is told why it is none: with something else, no answer, or given before", async () => {
    await invite();
    for (const properties of [{ state: "accepted", note: "x" }, { state: "maybe" }, { note: "x" }])
      expect(await whyRefused(ben, ada, properties)).toContain("`state` alone");
    await answer("accepted");
    expect(await whyRefused(ben, ada, { state: "declined" })).toContain("answered already");
  });

  it("is one of several that come at once", async () => {
    for (const _ of upTo(5)) {
      await invite();
      const states = upTo(8).map((n) => (n % 2 === 0 ? "accepted" : "declined"));
      const tried = await Promise.allSettled(states.map(answer));
      const given = tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      expect(given).toHaveLength(1);
      expect((await made(ada))[0]?.properties).toEqual(given[0]?.properties);
      for (const one of tried) if (one.status === "rejected") expect(String(one.reason)).toContain("INVITE_STATE");
    }
    const updates = (await events(ada)).filter(({ type }) => type === "connection.update");
    expect(updates).toHaveLength(5);
  });

  it("is only his to whom the invite is", async () => {
    const carl = await backstay.signUp();
    await invite();
    expect(await refusedUpdate(carl, ada, { state: "accepted" })).toMatchObject({ reason: "CONNECTION_NOT_FOUND" });
    expect(await refusedUpdate(ben, carl, { state: "accepted" })).toMatchObject({ reason: "CONNECTION_NOT_FOUND" });
  });

  it("is only to an invite, not to what else the peer has made", async () => {
    await put(ada, ben, "follow", { state: "sent" });
    const connection = { peerId: ada.id, type: "follow", properties: { state: "accepted" } };
    expect(await refusedCall(ben, "UpdateConnection", { connection })).toEqual({
      code: "not_found",
      reason: "CONNECTION_NOT_FOUND",
      fields: ["connection.peerId"],
    });
  });

  it("does not reach the peer's invite where he has made one himself: that is the one he names", async () => {
    await invite();
    await put(ben, ada, "invite");
    expect(await refusedUpdate(ben, ada, { state: "accepted" })).toEqual(notHis);
    expect((await update(ben, change(ada, { note: "Mine" }))).properties).toEqual({ note: "Mine", state: "sent" });
    expect((await made(ada))[0]?.properties).toEqual({ state: "sent" });
    expect(await whyRefused(ben, ada, { state: "accepted" })).toContain("has made himself");
    await ask(ben, "DeleteConnections", { peerId: ada.id, type: "invite" });
    expect((await answer("accepted")).properties).toEqual({ state: "accepted" });
  });
});

describe("the owner of an invite", () => {
  it("does not change its state, whatever it is", async () => {
    await invite();
    const states = ["accepted", "declined", null, "", ["sent"]];
    for (const state of states) expect(await refusedUpdate(ada, ben, { state, note: "x" })).toEqual(notHis);
    await answer("accepted");
    for (const state of ["sent", "declined", null]) expect(await refusedUpdate(ada, ben, { state })).toEqual(notHis);
    const removal = { connection: { peerId: ben.id, type: "invite" }, updateMask: "properties.state" };
    expect(await refusedCall(ada, "UpdateConnection", removal)).toEqual(notHis);
    expect((await received(ben))[0]?.properties).toEqual({ state: "accepted" });
  });

  it("changes everything else of it, and may say the state that it is in", async () => {
    await invite();
    expect((await update(ada, change(ben, { note: "Tea?", state: "sent" }))).properties).toMatchObject({
      note: "Tea?",
    });
    await answer("declined");
    const properties = { note: "Sorry", state: "declined" };
    expect((await update(ada, change(ben, properties))).properties).toEqual(properties);
    expect((await received(ben))[0]?.properties).toEqual(properties);
  });
});

describe("to somebody who has blocked the owner", () => {
  it("cannot be answered while the block stands; afterwards what came before can", async () => {
    await invite();
    await block(ben, ada);
    expect(await refusedUpdate(ben, ada, { state: "accepted" })).toMatchObject({ reason: "CONNECTION_NOT_FOUND" });
    await unblock(ben, ada);
    expect((await answer("accepted")).properties).toEqual({ state: "accepted" });
  });

  it("cannot be answered later either when it was made meanwhile", async () => {
    await block(ben, ada);
    await invite();
    await unblock(ben, ada);
    expect(await refusedUpdate(ben, ada, { state: "accepted" })).toMatchObject({ reason: "CONNECTION_NOT_FOUND" });
    expect((await made(ada))[0]?.properties).toEqual({ state: "sent" });
  });

  it("is answered as he sees it, when he sees it again, and the answer shows nothing of what was written meanwhile", async () => {
    await invite({ note: "Tea?" });
    await block(ben, ada);
    await update(ada, change(ben, { note: "Answer me" }));
    await unblock(ben, ada);
    expect((await answer("declined")).properties).toEqual({ note: "Tea?", state: "declined" });
    expect((await made(ada))[0]?.properties).toEqual({ note: "Answer me", state: "declined" });
    const told = (await events(ada)).at(-1);
    expect(told?.data).toMatchObject({ peerId: ben.id, properties: { note: "Answer me", state: "declined" } });
  });
});

describe("from somebody who has blocked the invited one", () => {
  /** Ada has blocked Ben, who has accepted. */
  async function acceptedInVain() {
    await invite({ note: "Tea?" });
    await block(ada, ben);
    return answer("accepted");
  }

  it("is answered for the invited one alone", async () => {
    const before = await invite({ note: "Tea?" });
    await block(ada, ben);
    clock.advance(1_000);
    const answered = await answer("accepted");
    const properties = { note: "Tea?", state: "accepted" };
    expect(answered).toEqual({ ...before, peerId: ada.id, properties, updateTime: clock.now().toISOString() });
    expect(await received(ben)).toEqual([answered]);
    expect(await refusedUpdate(ben, ada, { state: "declined" })).toEqual(notHis);
    expect((await events(ben)).at(-1)).toMatchObject({ actorId: ben.id, data: { peerId: ada.id, properties } });
    await unblock(ada, ben);
    expect(await made(ada)).toEqual([before]);
    expect(await events(ada)).toEqual([]);
  });

  it("stays answered for the one and unanswered for the other, whatever else its owner changes", async () => {
    await acceptedInVain();
    for (const lift of [false, true]) {
      if (lift) await unblock(ada, ben);
      const note = `Coffee? ${lift}`;
      expect((await update(ada, change(ben, { note, state: "sent" }))).properties).toEqual({ note, state: "sent" });
      expect((await received(ben))[0]?.properties).toEqual({ note, state: "accepted" });
      expect((await events(ben)).at(-1)?.data).toMatchObject({ properties: { note, state: "accepted" } });
    }
    expect(await refusedUpdate(ada, ben, { state: "accepted" })).toEqual(notHis);
    expect(await refusedUpdate(ben, ada, { state: "declined" })).toEqual(notHis);
  });

  it("is open for both again when it is put anew", async () => {
    await acceptedInVain();
    await unblock(ada, ben);
    await invite();
    expect((await received(ben))[0]?.properties).toEqual({ state: "sent" });
    await answer("declined");
    expect((await made(ada))[0]?.properties).toEqual({ state: "declined" });
  });
});
