import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openStream, standingStream } from "../stream.js";
import { curl, curlRefused, eventually } from "../support.js";

const PUBLISH = "events.v1.EventService/Publish";
const POLL = "events.v1.EventService/Poll";

const banned = new Set<string>();
let isBroken = false;
const topics = declaredTopics();
topics.declare("room/{id}", {
  subscribe({ accountId }) {
    if (isBroken) throw new Error("the rule has a defect");
    return !banned.has(accountId);
  },
  publish: true,
});
topics.declare("stage/{id}", { subscribe: true, publish: true, history: false });
topics.declare("lobby/{id}", { subscribe: true, publish: true, presence: true });

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let room: string;
let stage: string;
beforeAll(async () => {
  backstay = await startBackstay({ "events.heartbeat": "200ms" }, { overrides: { topics } });
});
beforeEach(async () => {
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
  [room, stage] = [`room/${ada.id}`, `stage/${ada.id}`];
  isBroken = false;
});
afterAll(() => backstay.stop());

const say = (topic: string, text: string, more: object = {}) =>
  curl(backstay, PUBLISH, { topic, type: "chat.line", data: { text }, ...more }, ada.token);

/** Says something that is in the log when this is over. */
async function sayAndSee(topic: string, text: string): Promise<void> {
  const watcher = await standingStream(backstay, ada.token, { topics: [topic] });
  await say(topic, text);
  await watcher.event();
  await watcher.close();
}

describe("a stream of a topic whose rule changes its mind", () => {
  const forbidden = { code: "permission_denied", reason: "TOPIC_FORBIDDEN", fields: ["topics"] };

  it("ends, and the other streams of its account and of the topic go on", async () => {
    const stream = await standingStream(backstay, ben.token, { topics: ["account/me", room] });
    const own = await standingStream(backstay, ben.token);
    const other = await standingStream(backstay, ada.token, { topics: [room] });
    banned.add(ben.id);
    expect((await stream.end(1_000)).refused).toEqual(forbidden);
    await say(room, "without him");
    expect((await other.event()).data.text).toBe("without him");
    await say(`account/${ada.id}`, "nothing of his");
    expect((await own.next(1_000)).heartbeat).toBeDefined();
  });

  it("stays while the rule cannot answer", async () => {
    const stream = await standingStream(backstay, ben.token, { topics: [room] });
    isBroken = true;
    for (let n = 0; n < 4; n++) expect((await stream.next(1_000)).heartbeat).toBeDefined();
    isBroken = false;
    await say(room, "still here");
    expect((await stream.event()).data.text).toBe("still here");
  });
});

describe("a topic without history", () => {
  it("answers a cursor by a gap when something was missed, and then brings what happens", async () => {
    const stream = await standingStream(backstay, ben.token, { topics: [stage] });
    await stream.close();
    await sayAndSee(stage, "missed");
    const resumed = await openStream(backstay, ben.token, { topics: [stage], afterCursor: stream.cursor });
    const { ready } = await resumed.next();
    expect(await resumed.next()).toEqual({ gap: { from: stream.cursor, to: ready?.cursor } });
    await say(stage, "live");
    expect((await resumed.event()).data.text).toBe("live");
  });

  it("answers no gap when nothing was missed", async () => {
    const stream = await standingStream(backstay, ben.token, { topics: [stage] });
    await sayAndSee(`stage/${ben.id}`, "elsewhere");
    await stream.close();
    const resumed = await standingStream(backstay, ben.token, { topics: [stage], afterCursor: stream.cursor });
    await say(stage, "live");
    expect((await resumed.event()).data.text).toBe("live");
  });

  it("has nothing to tell from earliest but that there was something", async () => {
    await sayAndSee(stage, "before");
    const stream = await openStream(backstay, ben.token, { topics: [stage], afterCursor: "earliest" });
    const { ready } = await stream.next();
    expect(await stream.next()).toEqual({ gap: { from: "earliest", to: ready?.cursor } });
    const polled = await curl(backstay, POLL, { topics: [stage], afterCursor: "earliest" }, ben.token);
    expect(polled).toEqual({ cursor: expect.any(String), gap: { from: "earliest", to: polled.cursor } });
  });

  it("keeps the history of the topics beside it to itself", async () => {
    const asked = { topics: ["account/me", stage] };
    const stream = await standingStream(backstay, ada.token, asked);
    await stream.close();
    await sayAndSee(`account/${ada.id}`, "missed");
    const resumed = await openStream(backstay, ada.token, { ...asked, afterCursor: stream.cursor });
    await resumed.next();
    expect((await resumed.next()).gap?.from).toBe(stream.cursor);
    await say(`account/${ada.id}`, "live");
    expect((await resumed.event()).data.text).toBe("live");
  });

  it("is polled cursor by cursor", async () => {
    const poll = (afterCursor: string) =>
      curl<{ cursor: string; gap?: object; events?: { data: { text: string } }[] }>(
        backstay,
        POLL,
        { topics: [stage], afterCursor, wait: "3s", gather: "0s" },
        ben.token,
      );
    const { cursor } = await standingStream(backstay, ben.token, { topics: [stage] });
    await sayAndSee(stage, "missed");
    const missed = await poll(cursor);
    expect(missed.gap).toBeDefined();
    const waiting = poll(missed.cursor);
    let isOver = false;
    waiting.finally(() => {
      isOver = true;
    });
    await eventually(3_000, "an answer with an event", async () => {
      await say(stage, "live");
      await new Promise((resolve) => setTimeout(resolve, 50));
      return isOver || undefined;
    });
    expect((await waiting).events?.[0]?.data.text).toBe("live");
  });
});

describe("what is of the moment", () => {
  it("has no cursor, and moves none on", async () => {
    const stream = await standingStream(backstay, ben.token, { topics: [room], match: "chat" });
    await say(room, "a moment", { ephemeral: true });
    const moment = await stream.event();
    expect(moment.data.text).toBe("a moment");
    expect(moment).not.toHaveProperty("cursor");
    await say(room, "kept");
    const { cursor } = await stream.event();
    await say(room, "another moment", { ephemeral: true });
    expect((await stream.event()).data.text).toBe("another moment");
    await stream.close();
    const resumed = await standingStream(backstay, ben.token, { topics: [room], afterCursor: cursor });
    await say(room, "next");
    expect((await resumed.event()).data.text).toBe("next");
  });

  it("comes by a poll that waits for it", async () => {
    const waiting = curl<{ events: object[] }>(
      backstay,
      POLL,
      { topics: [room], types: ["chat.*"], wait: "5s", gather: "0s" },
      ben.token,
    );
    let isOver = false;
    waiting.finally(() => {
      isOver = true;
    });
    await eventually(5_000, "an answer", async () => {
      await say(room, "now", { ephemeral: true });
      await new Promise((resolve) => setTimeout(resolve, 50));
      return isOver || undefined;
    });
    expect((await waiting).events).toMatchObject([{ data: { text: "now" } }]);
  });
});

describe("presence", () => {
  const listed = async (topic: string) => {
    const path = "events.v1.EventService/ListPresence";
    return (await curl<{ presences?: object[] }>(backstay, path, { topic }, ada.token)).presences ?? [];
  };

  it("is what a stream says of its reader, in the topics that have it", async () => {
    const lobby = `lobby/${ada.id}`;
    const presence = { status: "here", at: [1, 2] };
    await standingStream(backstay, ben.token, { topics: [lobby, room], presence });
    await eventually(2_000, "he is listed", async () => ((await listed(lobby)).length > 0 ? true : undefined));
    expect(await listed(lobby)).toMatchObject([{ accountId: ben.id, data: presence }]);
    expect(
      await curlRefused(backstay, "events.v1.EventService/ListPresence", { topic: room }, ada.token),
    ).toMatchObject({
      reason: "TOPIC_FORBIDDEN",
    });
  });

  it("is at most 1 KiB of JSON", async () => {
    const topics = [`lobby/${ada.id}`];
    const ofBytes = (bytes: number) => ({ text: "é".repeat((bytes - '{"text":""}'.length - 1) / 2).concat("x") });
    const refusal = async (presence: object) =>
      (await (await openStream(backstay, ben.token, { topics, presence })).next()).end?.refused;
    expect(Buffer.byteLength(JSON.stringify(ofBytes(1024)))).toBe(1024);
    expect(await refusal(ofBytes(1024))).toBeUndefined();
    expect(await refusal(ofBytes(1026))).toEqual({
      code: "invalid_argument",
      reason: "PRESENCE_TOO_LARGE",
      fields: ["presence"],
    });
  });
});
