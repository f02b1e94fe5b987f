import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { upTo } from "../../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type Frame, openSocket, reasonOf, type TestSocket } from "./client.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "off", "events.heartbeat": "200ms" });
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay?.stop());

const socketOf = (person: Person, server = backstay) =>
  openSocket(server.url, { headers: { authorization: `Bearer ${person.token}` } });
const tell = (text: string, from = ben, to = ada) => from.client.messages.sendMessage({ recipientId: to.id, text });

/** The next frame of a subscription that is no heartbeat. */
async function said(socket: TestSocket, ms?: number): Promise<Frame> {
  for (;;) {
    const frame = await socket.next(ms);
    if (frame.heartbeat === undefined) return frame;
  }
}

describe("subscribe", () => {
  it("is answered at once, then by ready, and by events in their order", async () => {
    const socket = await socketOf(ada);
    expect(await socket.ask({ op: "subscribe", id: "mine" })).toEqual({ op: "subscribe", id: "mine", status: 200 });
    expect(await said(socket)).toEqual({ op: "event", id: "mine", ready: { cursor: expect.any(String) } });
    for (const n of upTo(20)) await tell(`number ${n}`);
    for (const n of upTo(20)) {
      const frame = await said(socket);
      expect(frame).toMatchObject({
        op: "event",
        id: "mine",
        event: { type: "message.add", path: "/message/add", data: { text: `number ${n}` }, actorId: ben.id },
      });
    }
  });

  it("says by heartbeats that it stands", async () => {
    const socket = await socketOf(ada);
    socket.send({ op: "subscribe", id: "mine", types: ["never.happens"] });
    const first = await socket.find({ op: "event" });
    expect(first.ready).toBeDefined();
    expect(await socket.next()).toMatchObject({ op: "event", id: "mine", heartbeat: { cursor: expect.any(String) } });
  });

  it("takes the types, topics and cursor that Subscribe takes, by either spelling, and needs no id", async () => {
    const socket = await socketOf(ada);
    await socket.ask({ op: "subscribe", topics: ["account/me"] });
    const { ready } = await said(socket);
    await tell("by the cursor");
    expect(await said(socket)).toMatchObject({ op: "event", event: { data: { text: "by the cursor" } } });
    for (const cursor of [{ after_cursor: ready.cursor }, { afterCursor: ready.cursor }]) {
      const again = await socketOf(ada);
      await again.ask({ op: "subscribe", types: ["message.*"], ...cursor });
      expect(await said(again)).toMatchObject({ ready: {} });
      expect(await said(again)).toMatchObject({ event: { data: { text: "by the cursor" } } });
    }
  });

  it("follows several at once, told apart by their ids, and each event is of each that wants it", async () => {
    const socket = await socketOf(ada);
    for (const id of ["all", "some", "none"]) {
      const types = { all: [], some: ["message.add"], none: ["message.delete"] }[id];
      socket.send({ op: "subscribe", id, types });
      await socket.find({ op: "subscribe", id });
    }
    await tell("for two");
    const ids = [];
    while (ids.length < 2) {
      const frame = await said(socket);
      if (frame.event !== undefined) ids.push(frame.id);
    }
    expect(ids.sort()).toEqual(["all", "some"]);
  });

  it("is refused as Subscribe is", async () => {
    const socket = await socketOf(ada);
    const cases: [frame: object, status: number, reason: string][] = [
      [{ topics: [`account/${ben.id}`] }, 403, "TOPIC_FORBIDDEN"],
      [{ topics: ["Not A Topic"] }, 400, "INVALID_FIELD"],
      [{ afterCursor: "no" }, 400, "INVALID_CURSOR"],
      [{ after_cursor: "no" }, 400, "INVALID_CURSOR"],
      [{ match: "(" }, 400, "INVALID_PATTERN"],
      [{ noSuchField: 1 }, 400, "UNKNOWN_FIELD"],
      [{ types: "message.add" }, 400, "WRONG_TYPE"],
    ];
    for (const [fields, status, reason] of cases) {
      const frame = await socket.ask({ op: "subscribe", id: "x", ...fields });
      expect(frame, reason).toMatchObject({ op: "subscribe", id: "x", status });
      expect(reasonOf(frame)).toBe(reason);
    }
    const nobody = await openSocket(backstay.url);
    expect(reasonOf(await nobody.ask({ op: "subscribe" }))).toBe("TOKEN_MISSING");
  });

  it("is refused under an id that is open, and beyond sixteen", async () => {
    const socket = await socketOf(ada);
    for (const n of upTo(16)) {
      socket.send({ op: "subscribe", id: `${n}`, types: ["never.happens"] });
      expect(await socket.find({ op: "subscribe" })).toMatchObject({ status: 200 });
    }
    socket.send({ op: "subscribe", id: "3" });
    expect(reasonOf(await socket.find({ op: "subscribe" }))).toBe("MALFORMED_FRAME");
    socket.send({ op: "subscribe", id: "one more" });
    const refused = await socket.find({ op: "subscribe" });
    expect(refused).toMatchObject({ status: 429 });
    expect(reasonOf(refused)).toBe("TOO_MANY_STREAMS");
    // One that is over makes room.
    socket.send({ op: "unsubscribe", id: "3" });
    socket.send({ op: "subscribe", id: "3", types: ["never.happens"] });
    expect(await socket.find({ op: "subscribe" })).toMatchObject({ id: "3", status: 200 });
  });

  it("ends by unsubscribe, after which nothing of it comes, and which may be said again", async () => {
    const socket = await socketOf(ada);
    await socket.ask({ op: "subscribe", id: "a" });
    socket.send({ op: "unsubscribe", id: "a" });
    expect(await socket.find({ op: "unsubscribe" })).toEqual({ op: "unsubscribe", id: "a", status: 200 });
    await tell("to nobody");
    expect(await socket.ask({ op: "unsubscribe", id: "a" })).toEqual({ op: "unsubscribe", id: "a", status: 200 });
    expect(await socket.ask("/v1/ping")).toMatchObject({ op: "/v1/ping" });
  });

  it("leaves nothing behind when its socket goes: an account that may have two streams opens two again and again", async () => {
    const small = await startBackstay({ "events.streams_per_account": "2" });
    try {
      const carl = await small.signUp();
      for (const how of ["close", "terminate", "close", "terminate"] as const) {
        const socket = await socketOf(carl, small);
        for (const id of ["a", "b"]) {
          const subscribed = async () => {
            socket.send({ op: "subscribe", id });
            return (await socket.find({ op: "subscribe", id })).status;
          };
          await expect.poll(subscribed, { timeout: 5_000 }).toBe(200);
        }
        socket.send({ op: "subscribe", id: "c" });
        expect(reasonOf(await socket.find({ op: "subscribe", id: "c" }))).toBe("TOO_MANY_STREAMS");
        socket.ws[how]();
      }
    } finally {
      await small.stop();
    }
  });

  it("ends by a goodbye in its time, and says that it is over", async () => {
    const brief = await startBackstay({ "events.stream_ttl": "100ms" });
    try {
      const socket = await socketOf(await brief.signUp(), brief);
      socket.send({ op: "subscribe", id: "a" });
      const over = [];
      while (over.at(-1)?.op !== "end") over.push(await socket.next());
      expect(over.at(-2)).toMatchObject({ op: "event", id: "a", goodbye: { reconnectAfterMs: expect.any(Number) } });
      expect(over.at(-1)).toEqual({ op: "end", id: "a", status: 200 });
      expect(await socket.ask({ op: "subscribe", id: "a" })).toMatchObject({ status: 200 });
    } finally {
      await brief.stop();
    }
  });

  it("resumes by its cursor over sockets that are cut at random: none lost, none twice, none out of order", async () => {
    const carl = await backstay.signUp();
    const seen: string[] = [];
    let cursor = "";
    const all = upTo(150).map((n) => `number ${n}`);
    const writing = (async () => {
      for (const text of all) await tell(text, ben, carl);
    })();
    // The first line stands before anything is written to it only by this cursor.
    while (seen.length < all.length) {
      const socket = await socketOf(carl);
      socket.send({ op: "subscribe", types: ["message.add"], afterCursor: cursor || "earliest" });
      const cutAfter = Math.floor(Math.random() * 30);
      for (let n = 0; n <= cutAfter && seen.length < all.length; ) {
        const frame = await socket.next();
        const { event } = frame;
        if (event !== undefined) {
          seen.push(event.data.text);
          n += 1;
        }
        cursor = (event ?? frame.ready ?? frame.heartbeat)?.cursor ?? cursor;
      }
      socket.ws.terminate();
    }
    await writing;
    expect(seen).toEqual(all);
  });
});

describe("publish", () => {
  it("answers the event, which whoever follows the topic gets", async () => {
    const reader = await socketOf(ada);
    await reader.ask({ op: "subscribe", id: "mine", types: ["chat.*"] });
    const socket = await socketOf(ada);
    const answer = await socket.ask({ op: "publish", id: "7", type: "chat.line", data: { text: "hello" } });
    expect(answer).toMatchObject({
      op: "publish",
      id: "7",
      status: 200,
      event: { type: "chat.line", topic: `account/${ada.id}`, actorId: ada.id, data: { text: "hello" } },
    });
    const { event } = await reader.find({ op: "event", id: "mine" }).then(() => said(reader));
    expect(event).toMatchObject({ id: answer.event.id, type: "chat.line", data: { text: "hello" } });
  });

  it("says what is of the moment without a cursor", async () => {
    const socket = await socketOf(ada);
    await socket.ask({ op: "subscribe", id: "mine", types: ["chat.*"] });
    expect(await said(socket)).toMatchObject({ ready: {} });
    socket.send({ op: "publish", type: "chat.typing", ephemeral: true });
    const frames = [await said(socket), await said(socket)];
    const event = frames.find(({ op }) => op === "event")?.event;
    expect(event).toMatchObject({ type: "chat.typing" });
    expect(event.cursor ?? "").toBe("");
  });

  it("is refused as Publish is", async () => {
    const socket = await socketOf(ada);
    const cases: [frame: object, status: number, reason: string][] = [
      [{ topic: `account/${ben.id}`, type: "chat.line" }, 403, "TOPIC_FORBIDDEN"],
      [{ type: "message.add" }, 400, "RESERVED_TYPE"],
      [{ type: "nodot" }, 400, "INVALID_FIELD"],
      [{ type: "chat.line", data: [] }, 400, "WRONG_TYPE"],
      [{ type: "chat.line", surplus: 1 }, 400, "UNKNOWN_FIELD"],
    ];
    for (const [fields, status, reason] of cases) {
      const frame = await socket.ask({ op: "publish", ...fields });
      expect(frame, reason).toMatchObject({ op: "publish", status });
      expect(reasonOf(frame)).toBe(reason);
    }
    const nobody = await openSocket(backstay.url);
    expect(reasonOf(await nobody.ask({ op: "publish", type: "chat.line" }))).toBe("TOKEN_MISSING");
  });
});
