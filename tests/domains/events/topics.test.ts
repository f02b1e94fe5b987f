import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import type { TopicCaller } from "../../../server/kernel/topics.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type EventJson, openStream, standingStream } from "../stream.js";
import { curl, curlRefused, operator, operatorToken } from "../support.js";

// What an app declares is what its accounts may do, at every door of every server: here by streams, polls and Publish.

const PUBLISH = "events.v1.EventService/Publish";
const POLL = "events.v1.EventService/Poll";

/** Who are in which room, as an app would know it. */
const members = new Map<string, Set<string>>();
const asked: { caller: TopicCaller; params: object }[] = [];
const topics = declaredTopics();
topics.declare("room/{id}/chat", {
  subscribe: async ({ accountId }, { id }) => members.get(id!)?.has(accountId) ?? false,
  publish: ({ accountId }, { id }) => members.get(id!)?.has(accountId) ?? false,
});
topics.declare("board/{name}", {
  subscribe: true,
  publish: (caller, params) => {
    asked.push({ caller, params });
    return caller.roles.includes("editor");
  },
});
topics.declare("broken/{id}", { subscribe: () => Promise.reject(new Error("the rule has a defect")) });

let one: TestBackstay;
let two: TestBackstay;
let ada: Person;
let ben: Person;
let eve: Person;
let room: string;
beforeAll(async () => {
  one = await startBackstay({}, { overrides: { topics } });
  const secret = readFileSync(`${one.home}/etc/secret`, "utf8").trim();
  two = await startBackstay({ "database.url": one.databaseUrl, secret }, { overrides: { topics } });
});
beforeEach(async () => {
  [ada, ben, eve] = [await one.signUp(), await one.signUp(), await one.signUp()];
  members.set(ada.id, new Set([ada.id, ben.id]));
  room = `room/${ada.id}/chat`;
});
afterAll(async () => {
  await two?.stop();
  await one?.stop();
});

const say = (who: { token: string }, topic: string, text: string) =>
  curl<{ event: EventJson }>(one, PUBLISH, { topic, type: "chat.line", data: { text } }, who.token);
const forbidden = (field: string) => ({ code: "permission_denied", reason: "TOPIC_FORBIDDEN", fields: [field] });

describe("a topic that an app declares", () => {
  it("brings what one member says to the others, at any server", async () => {
    const streams = [
      await standingStream(one, ben.token, { topics: [room] }),
      await standingStream(two, ben.token, { topics: [room, "account/me"] }),
    ];
    const { event } = await say(ada, room, "Hello");
    for (const stream of streams) {
      expect(await stream.event(1_000)).toMatchObject({ ...event, topic: room, actorId: ada.id });
    }
  });

  it("is resumed like one's own", async () => {
    const stream = await standingStream(one, ben.token, { topics: [room] });
    await stream.close();
    await say(ada, room, "missed 1");
    await say(ben, room, "missed 2");
    const resumed = await standingStream(two, ben.token, { topics: [room], afterCursor: stream.cursor });
    const texts = [await resumed.event(1_000), await resumed.event(1_000)].map(({ data }) => data.text);
    expect(texts).toEqual(["missed 1", "missed 2"]);
  });

  it("is for those alone whom its rules let, whatever they ask of it", async () => {
    const stream = await openStream(one, eve.token, { topics: ["account/me", room] });
    expect((await stream.next()).end?.refused).toEqual(forbidden("topics"));
    expect(await curlRefused(one, POLL, { topics: [room], wait: "0.05s" }, eve.token)).toEqual(forbidden("topics"));
    const event = { topic: room, type: "chat.line" };
    expect(await curlRefused(one, PUBLISH, event, eve.token)).toEqual(forbidden("topic"));
    expect(await curlRefused(one, PUBLISH, { ...event, ephemeral: true }, eve.token)).toEqual(forbidden("topic"));
  });

  it("cannot be told from one that nobody declared by whom it refuses", async () => {
    for (const topic of [room, "room/7", "nosuch/room"]) {
      const stream = await openStream(one, eve.token, { topics: [topic] });
      expect((await stream.next()).end?.refused).toEqual(forbidden("topics"));
    }
  });

  it("is open to administrators, and so is one that nobody declared", async () => {
    for (const topic of [room, "nosuch/room"]) {
      const stream = await standingStream(one, operatorToken(one), { topics: [topic] });
      await say({ token: operatorToken(one) }, topic, "From above");
      expect((await stream.event(1_000)).data.text).toBe("From above");
    }
  });
});

describe("a rule", () => {
  it("is given who asks, with his roles, and the parts of the name", async () => {
    const login = `editor-${ada.id}`;
    const editor = { login, secret: "correct horse", name: "Editor", roles: ["editor"] };
    const { account } = await operator(one).accounts.createAccount(editor);
    const signIn = { login, secret: editor.secret };
    const { tokens } = await curl<{ tokens: { accessToken: string } }>(one, "auth.v1.AuthService/SignIn", signIn);
    asked.length = 0;
    await say({ token: tokens.accessToken }, "board/A-b_c", "News");
    expect(await curlRefused(one, PUBLISH, { topic: "board/x", type: "chat.line" }, ada.token)).toEqual(
      forbidden("topic"),
    );
    expect(asked).toEqual([
      { caller: { accountId: account!.id, roles: ["editor"] }, params: { name: "A-b_c" } },
      { caller: { accountId: ada.id, roles: [] }, params: { name: "x" } },
    ]);
  });

  it("that fails lets nobody in: the caller hears of a defect of the server, and the log of the rule", async () => {
    const stream = await openStream(one, ada.token, { topics: ["broken/1"] });
    expect((await stream.next()).end?.refused).toMatchObject({ code: "internal", reason: "INTERNAL" });
    expect(one.log()).toContain("the rule subscribe of the topic broken/{id} failed");
  });
});
