import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openSocket } from "../../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { request } from "../../support/http-request.js";
import { makeKey } from "../auth/api-key-house.js";
import { type EventJson, openStream, standingStream } from "../stream.js";
import { bearer, curl, curlRefused, operatorToken } from "../support.js";

const POLL = "events.v1.EventService/Poll";

/** What happens to Ada, in this order. */
const HAPPENED = [
  "message.add",
  "history.add",
  "connection.add",
  "connection.del",
  "counter.incr",
  "account.update",
  "chat.line",
];

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "events.poll_interval": "10ms" });
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

/** Has all of it happen, the last of them what every key hears. */
async function happen(): Promise<void> {
  const [one, other] = [ada.client, ben.client];
  await other.messages.sendMessage({ recipientId: ada.id, text: "very private" });
  await curl(backstay, "history.v1.HistoryService/AppendHistory", { type: "seen", data: { private: true } }, ada.token);
  await other.connections.putConnection({ peerId: ada.id, type: "like" });
  await other.connections.deleteConnections({ peerId: ada.id, type: "like" });
  await other.counters.incrementCounters({ accountId: ada.id, deltas: { ping: 1n } });
  await one.accounts.updateAccount({
    account: { id: "me", alias: `ada ${Math.random()}` },
    updateMask: { paths: ["alias"] },
  });
  const line = { topic: "account/me", type: "chat.line", data: { text: "of the app" } };
  const stream = await openStream(backstay, ada.token, { types: ["chat.*"] });
  await stream.next();
  await curl(backstay, "events.v1.EventService/Publish", line, ada.token);
  // Now it stands in the log.
  await stream.event();
  await stream.close();
}

const keyOf = async (scopes: string[], token = ada.token) => (await makeKey(backstay, token, { scopes })).key;
const typesOf = (events: readonly EventJson[] = []) => [...new Set(events.map(({ type }) => type))];
const expected = (hears: readonly string[]) => HAPPENED.filter((type) => hears.includes(type));

/** The types of what a key is told, each way: what was kept by a poll, by REST and by a stream, and what comes live. */
async function toldTo(key: string, topics: string[] = []): Promise<Record<string, string[]>> {
  const polled = await curl<{ events?: EventJson[] }>(backstay, POLL, { topics, afterCursor: "earliest" }, key);
  const query = new URLSearchParams([["afterCursor", "earliest"], ...topics.map((topic) => ["topics", topic])]);
  const rest = await request(`${backstay.url}/v1/events:poll?${query}`, { headers: bearer(key) });
  const backfill = await openStream(backstay, key, { topics, afterCursor: "earliest" });
  const live = await standingStream(backstay, key, { topics });
  const socket = await openSocket(backstay.url, { headers: bearer(key) });
  await socket.ask({ op: "subscribe", topics });
  await happen();
  const upToLine = async (next: () => Promise<EventJson>) => {
    const events: EventJson[] = [];
    while (events.at(-1)?.type !== "chat.line") events.push(await next());
    return typesOf(events);
  };
  await backfill.next();
  const nextOfSocket = async () => {
    for (;;) {
      const { event } = await socket.find({ op: "event" });
      if (event !== undefined) return event as EventJson;
    }
  };
  return {
    poll: typesOf(polled.events),
    rest: typesOf(rest.json.events),
    backfill: await upToLine(() => backfill.event()),
    live: await upToLine(() => live.event()),
    socket: await upToLine(nextOfSocket),
  };
}

const byEachWay = (types: string[]) => ({ poll: types, rest: types, backfill: types, live: types, socket: types });

beforeEach(happen);

describe("case 46: a key hears of what its scopes let it read", () => {
  it.each<[string, string[], string[]]>([
    ["the events' own alone", ["events:read"], ["chat.line"]],
    ["with another domain its events", ["events:read", "messages:read"], ["chat.line", "message.add"]],
    [
      "by a pattern of reads",
      ["EventService/*", "*/List*"],
      ["chat.line", "message.add", "history.add", "connection.add", "connection.del"],
    ],
    ["and not by what it may change", ["events:read", "messages:write", "*/Put*"], ["chat.line"]],
    ["all with *", ["*"], HAPPENED],
  ])("%s", async (_, scopes, hears) => {
    expect(await toldTo(await keyOf(scopes))).toEqual(byEachWay(expected(hears)));
  });

  it("a key of the installation too, of whoever it follows", async () => {
    const topics = [`account/${ada.id}`];
    const token = operatorToken(backstay);
    expect(await toldTo(await keyOf(["events:read"], token), topics)).toEqual(byEachWay(["chat.line"]));
    const both = await keyOf(["events:read", "history:read"], token);
    expect(await toldTo(both, topics)).toEqual(byEachWay(["history.add", "chat.line"]));
  });

  it("tells nothing by what it asks for either: the cursor goes past what is not for it", async () => {
    const key = await keyOf(["events:read"]);
    for (const asked of [{ types: ["message.*"] }, { match: "message" }]) {
      const { events, cursor } = await curl<{ events?: EventJson[]; cursor: string }>(
        backstay,
        POLL,
        { ...asked, afterCursor: "earliest", wait: "0.01s" },
        key,
      );
      expect(events).toBeUndefined();
      const all = { afterCursor: cursor, wait: "0.01s" };
      expect((await curl<{ events?: EventJson[] }>(backstay, POLL, all, ada.token)).events).toBeUndefined();
    }
  });

  it("and nothing without a scope for the events", async () => {
    expect(await curlRefused(backstay, POLL, {}, await keyOf(["messages:read"]))).toMatchObject({
      reason: "SCOPE_MISSING",
    });
  });
});
