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
    const resumed = await standingStream(backstay, ben.token, { topics: [stage], afterCursor: stream.cursor });
    expect(resumed.cursor).toBe(stream.cursor);
    const { gap } = await resumed.next();
    expect(gap?.from).toBe(stream.cursor);
    await say(stage, "live");
    expect((await resumed.event()).data.text).toBe("live");
    const again = await standingStream(backstay, ben.token, { topics: [stage], afterCursor: gap!.to });
    expect((await again.next()).gap?.from).toBe(gap!.to);
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
    await stream.next();
    expect((await stream.next()).gap?.from).toBe("earliest");
    const polled = await curl(backstay, POLL, { topics: [stage], afterCursor: "earliest" }, ben.token);
    expect(polled).toEqual({ cursor: expect.any(String), gap: { from: "earliest", to: polled.cursor } });
  });

  it("takes nothing from the topics beside it: what was missed of those comes, with one gap for the rest", async () => {
    const own = `account/${ada.id}`;
    const asked = { topics: ["account/me", stage] };
    const stream = await standingStream(backstay, ada.token, asked);
    await stream.close();
    const resumed = await standingStream(backstay, ada.token, { ...asked, afterCursor: stream.cursor });
    await resumed.close();
    for (const n of [1, 2]) {
      await sayAndSee(own, `mine ${n}`);
      await sayAndSee(stage, `withheld ${n}`);
    }
    await sayAndSee(own, "mine 3");
    const mixed = await standingStream(backstay, ada.token, { ...asked, afterCursor: stream.cursor });
    expect((await mixed.next()).gap?.from).toBe(stream.cursor);
    const texts = [await mixed.event(), await mixed.event(), await mixed.event()].map(({ data }) => data.text);
    expect(texts).toEqual(["mine 1", "mine 2", "mine 3"]);
    for (const topic of [own, stage]) await say(topic, `live in ${topic}`);
    expect((await mixed.event()).data.text).toBe(`live in ${own}`);
    expect((await mixed.event()).data.text).toBe(`live in ${stage}`);
  });

  it("loses nothing of the others, and hides no gap, wherever the reader breaks off", async () => {
    const own = `account/${ada.id}`;
    const asked = { topics: ["account/me", stage], types: ["chat.*"] };
    const stream = await standingStream(backstay, ada.token, asked);
    await stream.close();
    for (const n of [1, 2, 3]) {
      await sayAndSee(own, `mine ${n}`);
      await sayAndSee(stage, `withheld ${n}`);
    }
    const seen: unknown[] = [];
    let gaps = 0;
    // One item at a time, each on a connection of its own, until a heartbeat says that there is nothing more.
    for (let cursor = stream.cursor, isOver = false; !isOver; ) {
      const one = await standingStream(backstay, ada.token, { ...asked, afterCursor: cursor });
      cursor = one.cursor;
      let item = await one.next();
      if (item.gap !== undefined) {
        gaps++;
        cursor = item.gap.to;
        item = await one.next();
      }
      if (item.event !== undefined) seen.push(item.event.data.text);
      else isOver = true;
      cursor = item.event?.cursor ?? item.heartbeat?.cursor ?? cursor;
      await one.close();
      if (isOver) {
        const last = await standingStream(backstay, ada.token, { ...asked, afterCursor: cursor });
        expect((await last.next()).heartbeat).toBeDefined();
      }
    }
    expect(seen).toEqual(["mine 1", "mine 2", "mine 3"]);
    // Before each of them, and after the last, something of the stage is missing.
    expect(gaps).toBe(4);
  });

  it("is polled together with others, whose missed events come with the gap", async () => {
    const asked = { topics: ["account/me", stage], types: ["chat.*"] };
    const stream = await standingStream(backstay, ada.token, asked);
    await sayAndSee(stage, "withheld");
    await sayAndSee(`account/${ada.id}`, "mine");
    type Answer = { cursor: string; gap?: { from: string }; events?: { data: { text: string } }[] };
    const answer = await curl<Answer>(backstay, POLL, { ...asked, afterCursor: stream.cursor }, ada.token);
    expect(answer.gap?.from).toBe(stream.cursor);
    expect(answer.events?.map(({ data }) => data.text)).toEqual(["mine"]);
    const next = await curl<Answer>(backstay, POLL, { ...asked, afterCursor: answer.cursor, wait: "0s" }, ada.token);
    expect([next.gap, next.events]).toEqual([undefined, undefined]);
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
    await eventually(10_000, "an answer with an event", async () => {
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
    await eventually(10_000, "he is listed", async () => ((await listed(lobby)).length > 0 ? true : undefined));
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

  it("is at most 32 levels deep, which every reader can take", async () => {
    const lobby = `lobby/${ada.id}`;
    const nested = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
    const open = (levels: number) => openStream(backstay, ben.token, { topics: [lobby], presence: nested(levels) });
    expect((await (await open(33)).next()).end?.refused).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: ["presence"],
    });
    const watcher = await standingStream(backstay, ada.token, { topics: [lobby], types: ["presence.*"] });
    await open(32);
    while ((await watcher.event()).actorId !== ben.id) {}
    const { presences } = await ada.client.events.listPresence({ topic: lobby });
    expect(presences.find(({ accountId }) => accountId === ben.id)?.data).toEqual(nested(32));
  });
});
