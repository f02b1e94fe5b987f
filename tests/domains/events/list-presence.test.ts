import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type Stream, standingStream } from "../stream.js";
import { curl, curlRefused, eventually, openDatabase, operatorToken, refusedJson, upTo } from "../support.js";

const LIST = "events.v1.EventService/ListPresence";

interface Presence {
  accountId: string;
  since: string;
  data?: object;
}

interface Request {
  topic?: string;
  accountIds?: string[];
  pageSize?: number;
  pageToken?: string;
}

const topics = declaredTopics();
topics.declare("room/{id}", { subscribe: ({ accountId }, { id }) => id !== `not-${accountId}`, presence: true });
topics.declare("news/{id}", { subscribe: true });

/** Two servers on one database, without a broker. */
let one: TestBackstay;
let two: TestBackstay;
let ada: Person;
let ben: Person;
let room: string;
beforeAll(async () => {
  const settings = { "events.presence_grace": "500ms", "events.streams_per_account": "5" };
  one = await startBackstay(settings, { overrides: { topics } });
  const secret = readFileSync(`${one.home}/etc/secret`, "utf8").trim();
  two = await startBackstay({ ...settings, "database.url": one.databaseUrl, secret }, { overrides: { topics } });
});
beforeEach(async () => {
  ada = await one.signUp();
  ben = await one.signUp();
  room = `room/${ada.id}`;
});
afterAll(async () => {
  await two?.stop();
  await one?.stop();
});

const list = async (request: Request, { at = one, token = ada.token } = {}) => {
  type Answer = { presences?: Presence[]; nextPageToken?: string };
  const { presences = [], nextPageToken = "" } = await curl<Answer>(at, LIST, request, token);
  return { presences, nextPageToken };
};
const idsOf = (presences: Presence[]) => presences.map(({ accountId }) => accountId);
const sorted = (...people: Person[]) => people.map(({ id }) => id).sort();
const refusedList = (request: Request, token = ada.token) => curlRefused(one, LIST, request, token);

/** Opens a stream that follows topics, with what it says to those who list them. */
function follow(at: TestBackstay, who: Person, topics: string[], presence?: object): Promise<Stream> {
  const request = { topics, presence };
  return standingStream(at, who.token, request);
}

/** Resolves when a list has these accounts, in this order. */
async function untilListed(request: Request, ids: string[], ms = 5_000): Promise<Presence[]> {
  return eventually(ms, `${ids} are listed`, async () => {
    const { presences } = await list(request);
    return JSON.stringify(idsOf(presences)) === JSON.stringify(ids) ? presences : undefined;
  });
}

describe("of a topic", () => {
  it("are listed those who follow it, at any server, by account id", async () => {
    await follow(one, ada, [room]);
    await follow(two, ben, [room]);
    await untilListed({ topic: room }, sorted(ada, ben));
    const atTwo = await list({ topic: room }, { at: two, token: ben.token });
    expect(idsOf(atTwo.presences)).toEqual(sorted(ada, ben));
  });

  it("somebody is listed once, since he came, with what he said last", async () => {
    const before = Date.now();
    await follow(one, ada, [room], { mood: "sunny", deep: [1, null] });
    const [first] = await untilListed({ topic: room }, [ada.id]);
    expect(first!.data).toEqual({ mood: "sunny", deep: [1, null] });
    expect(Date.parse(first!.since)).toBeGreaterThan(before - 5_000);
    await follow(two, ada, [room], { mood: "cloudy" });
    await follow(one, ada, [room]);
    await eventually(5_000, "the newest is listed", async () => {
      const { presences } = await list({ topic: room });
      expect(presences).toHaveLength(1);
      const [{ since, data }] = presences as [Presence];
      expect(since).toBe(first!.since);
      return (data as { mood: string }).mood === "cloudy" || undefined;
    });
  });

  it("nobody is listed any more who closed all his streams, once his grace is past", async () => {
    const streams = [await follow(one, ada, [room]), await follow(two, ada, [room])];
    await untilListed({ topic: room }, [ada.id]);
    await streams[0]!.close();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(idsOf((await list({ topic: room })).presences)).toEqual([ada.id]);
    await streams[1]!.close();
    await untilListed({ topic: room }, []);
  });

  it("are told its followers who comes and who goes", async () => {
    // Without a broker only the server that finds it out tells it, so here is one alone.
    const alone = await startBackstay({ "events.presence_grace": "500ms" }, { overrides: { topics } });
    onTestFinished(() => alone.stop());
    const [watcher, other] = [await alone.signUp(), await alone.signUp()];
    const stream = await follow(alone, watcher, [room]);
    expect(await stream.event()).toMatchObject({ type: "presence.join", actorId: watcher.id });
    const visit = await follow(alone, other, [room], { mood: "sunny" });
    const join = await stream.event();
    expect(join).toMatchObject({ type: "presence.join", path: "/presence/join", topic: room, actorId: other.id });
    const { presences } = await list({ topic: room }, { at: alone, token: watcher.token });
    expect(join.data).toEqual(presences.find(({ accountId }) => accountId === other.id));
    expect(join.cursor ?? "").toBe("");
    await visit.close();
    const leave = await stream.event(5_000);
    expect(leave).toMatchObject({ type: "presence.leave", actorId: other.id, data: { accountId: other.id } });
    expect(leave.data.since).toBe(join.data.since);
  });

  it("pages follow each other, by tokens that are of this list", async () => {
    const people = [ada, ben, await one.signUp(), await one.signUp(), await one.signUp()];
    for (const who of people) await follow(one, who, [room]);
    await untilListed({ topic: room }, sorted(...people));
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await list({ topic: room, pageSize: 2, pageToken });
      expect(page.presences.length).toBeLessThanOrEqual(2);
      seen.push(...idsOf(page.presences));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual(sorted(...people));
    const { nextPageToken } = await list({ topic: room, pageSize: 2 });
    const damaged = { code: "invalid_argument", reason: "INVALID_PAGE_TOKEN", fields: ["pageToken"] };
    expect(await refusedList({ topic: "room/other", pageToken: nextPageToken })).toEqual(damaged);
    expect(await refusedList({ accountIds: ["me"], pageToken: nextPageToken })).toEqual(damaged);
    expect(await refusedList({ topic: room, pageToken: `${nextPageToken}x` })).toEqual(damaged);
  });

  it("a page has 100 when nothing is said, and at most 1,000", async () => {
    const sql = openDatabase(one);
    const [node] = await sql`select id from backstay.nodes limit 1`;
    const people = upTo(1_001).map(() => ({ topic: room, node_id: node!.id, since: new Date() }));
    await sql`insert into backstay.presences (topic, account_id, node_id, since)
      select topic, gen_random_uuid(), node_id, since from jsonb_to_recordset(${sql.json(people as never)})
        as p (topic text, node_id uuid, since timestamptz)`;
    const lengthOf = async (request: Request) => (await list({ topic: room, ...request })).presences.length;
    expect(await lengthOf({})).toBe(100);
    expect(await lengthOf({ pageSize: 1_000 })).toBe(1_000);
    expect(await refusedList({ topic: room, pageSize: 1_001 })).toMatchObject({ fields: ["pageSize"] });
    await sql`delete from backstay.presences where topic = ${room}`;
  });

  it("are listed to those whom its rule lets follow it, and to administrators", async () => {
    const forbidden = { code: "permission_denied", reason: "TOPIC_FORBIDDEN", fields: ["topic"] };
    expect(await refusedList({ topic: `room/not-${ada.id}` })).toEqual(forbidden);
    expect((await list({ topic: `room/not-${ada.id}` }, { token: operatorToken(one) })).presences).toEqual([]);
    // A topic without presence, those that nobody declared, and an account's have no list.
    for (const topic of ["news/today", "nosuch/room", "account/me", `account/${ben.id}`]) {
      expect(await refusedList({ topic })).toEqual(forbidden);
    }
    expect(await refusedList({ topic: "nosuch/room" }, operatorToken(one))).toEqual(forbidden);
  });

  it("is not listed who only looks at the list", async () => {
    expect((await list({ topic: room })).presences).toEqual([]);
  });
});

describe("of accounts", () => {
  it("are found those who have a stream, at any server and of whatever topic; others are left out", async () => {
    const eve = await one.signUp();
    await follow(one, ada, []);
    await follow(two, ben, ["news/today"]);
    const asked = [eve.id, ben.id, ada.id, "0190163d8694739b8b1fcb8dd4e60777", "nobody", ben.id];
    const found = await untilListed({ accountIds: asked }, sorted(ada, ben));
    for (const { since, data } of found) {
      expect(Math.abs(Date.parse(since) - Date.now())).toBeLessThan(60_000);
      expect(data).toBeUndefined();
    }
  });

  it("me is the caller, and ids may have dashes", async () => {
    await follow(two, ada, []);
    const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    await untilListed({ accountIds: ["me"] }, [ada.id]);
    await untilListed({ accountIds: [dashed, "me", ada.id] }, [ada.id]);
  });

  it("is not found who has closed his stream, once his grace is past, nor who was deleted", async () => {
    const stream = await follow(one, ada, []);
    await follow(one, ben, [room]);
    const request = { accountIds: [ada.id, ben.id] };
    await untilListed(request, sorted(ada, ben));
    await stream.close();
    await untilListed(request, [ben.id]);
    await ben.client.accounts.deleteAccount({ id: "me" });
    await untilListed(request, []);
  });

  it("100 may be asked for", async () => {
    await list({ accountIds: upTo(100).map(() => "nobody") });
    const tooMany = await refusedList({ accountIds: upTo(101).map(() => "nobody") });
    expect(tooMany).toMatchObject({ reason: "INVALID_FIELD", fields: ["accountIds"] });
  });

  it("the installation's command line is none", async () => {
    const { code, reason } = await refusedList({ accountIds: ["me"] }, operatorToken(one));
    expect([code, reason]).toEqual(["permission_denied", "ACCOUNT_REQUIRED"]);
  });
});

it("an account that is deleted leaves its topics, and those who follow them are told", async () => {
  const stream = await follow(one, ada, [room]);
  await stream.event();
  await follow(one, ben, [room]);
  expect((await stream.event()).actorId).toBe(ben.id);
  await ben.client.accounts.deleteAccount({ id: "me" });
  expect(await stream.event()).toMatchObject({ type: "presence.leave", actorId: ben.id });
  const sql = openDatabase(one);
  await eventually(5_000, "nothing is left of it", async () =>
    (await sql`select 1 from backstay.presences where account_id = ${ben.id}`).length === 0 ? true : undefined,
  );
});

it("asks for a topic or for accounts, and not for both", async () => {
  const invalid = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["topic"] };
  expect(await refusedList({})).toEqual(invalid);
  expect(await refusedList({ topic: room, accountIds: ["me"] })).toEqual(invalid);
});

it("needs a token", async () => {
  const { json } = await call(one.url, LIST, { accountIds: ["me"] });
  expect(refusedJson(json)).toMatchObject({ code: "unauthenticated", reason: "TOKEN_MISSING" });
});

it("a server that is stopped is a reconnect to the others: whoever comes back has never gone", async () => {
  const grace = { "events.presence_grace": "5s" };
  const stays = await startBackstay(grace, { overrides: { topics } });
  onTestFinished(() => stays.stop());
  const secret = readFileSync(`${stays.home}/etc/secret`, "utf8").trim();
  const goes = await startBackstay({ ...grace, "database.url": stays.databaseUrl, secret }, { overrides: { topics } });
  const [watcher, traveller] = [await stays.signUp(), await stays.signUp()];
  const listed = async () => (await list({ topic: room }, { at: stays, token: watcher.token })).presences;

  await follow(goes, traveller, [room]);
  const [first] = await eventually(5_000, "the traveller is listed", async () => {
    const presences = await listed();
    return presences.length === 1 ? presences : undefined;
  });
  await goes.stop();
  const watching = await follow(stays, watcher, [room]);
  expect((await watching.event()).actorId).toBe(watcher.id);
  await follow(stays, traveller, [room]);
  const heard = watching.event(6_500).then(
    ({ type }) => type,
    () => "nothing",
  );
  expect(await heard).toBe("nothing");
  expect((await listed()).find(({ accountId }) => accountId === traveller.id)).toEqual(first);
});
