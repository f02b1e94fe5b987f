import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { encodeCursor } from "../../../server/kernel/event-cursor.js";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type EventJson, openStream, standingStream } from "../stream.js";
import {
  bearer,
  curl,
  curlRefused,
  eventually,
  keyOf,
  openDatabase,
  operatorToken,
  refusedJson,
  upTo,
  within,
} from "../support.js";

const POLL = "events.v1.EventService/Poll";

interface Answer {
  events?: EventJson[];
  cursor: string;
  gap?: { from: string; to: string };
}

interface Request {
  topics?: string[];
  types?: string[];
  afterCursor?: string;
  match?: string;
  othersOnly?: boolean;
  gather?: string;
  wait?: string;
}

let backstay: TestBackstay;
/** Where an account may have one stream. */
let narrow: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({
    "events.heartbeat": "200ms",
    "events.poll_interval": "300ms",
    "events.poll_timeout": "3s",
  });
  narrow = await startBackstay({ "events.poll_interval": "300ms", "events.streams_per_account": "1" });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(async () => {
  await backstay.stop();
  await narrow.stop();
});

const send = (text: string, from = ada, to = ben) =>
  from.client.messages.sendMessage({ recipientId: to.id, text }).then(({ message }) => message!);
const rename = (who: Person, name: string) =>
  who.client.accounts.updateAccount({ account: { name }, updateMask: { paths: ["name"] } });
const poll = (request: Request = {}, token = ben.token, at = backstay) => curl<Answer>(at, POLL, request, token);
const textsOf = ({ events = [] }: Answer) => events.map(({ data }) => data.text);
/** What is there, without waiting for more. */
const pollNow = (afterCursor: string, more: Request = {}) => poll({ afterCursor, wait: "0s", gather: "0s", ...more });
/** Where the log stands now. */
const cursorNow = async () => (await poll({ wait: "0s" })).cursor;

/** A server of the test's own. */
async function start(...args: Parameters<typeof startBackstay>): Promise<TestBackstay> {
  const own = await startBackstay(...args);
  onTestFinished(() => own.stop());
  return own;
}

interface WaitingPoll {
  answer: Promise<{ status: number; json: Answer & Record<string, unknown> }>;
  hangUp(): void;
}

/** A poll that is known to listen: the account has one place for a stream, and the poll holds it. */
async function waitingPoll(token: string, request: Request = {}): Promise<WaitingPoll> {
  await placeIsFree(token);
  for (;;) {
    const controller = new AbortController();
    let isOver = false;
    const answer = fetch(`${narrow.url}/backstay.${POLL}`, {
      method: "POST",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: JSON.stringify(request),
      signal: controller.signal,
    }).then(async (response) => ({ status: response.status, json: (await response.json()) as never }));
    const end = () => {
      isOver = true;
    };
    answer.then(end, end);
    while (!isOver) {
      // A look takes the place too, for a moment, and the poll may be refused for it.
      const { status } = await call(narrow.url, POLL, { wait: "0s" }, bearer(token));
      if (status !== 200 && !isOver) return { answer, hangUp: () => controller.abort() };
    }
  }
}

function placeIsFree(token: string): Promise<true> {
  return eventually(2_000, "the place is free", async () => {
    const { status } = await call(narrow.url, POLL, { wait: "0s" }, bearer(token));
    return status === 200 || undefined;
  });
}

describe("a poll", () => {
  it("answers what happened since it was asked, all at once, some time after the first of it", async () => {
    const [sender, recipient] = [await narrow.signUp(), await narrow.signUp()];
    const stream = await standingStream(narrow, recipient.token);
    await send("before", sender, recipient);
    await stream.event();
    await stream.close();
    const { answer } = await waitingPoll(recipient.token);
    for (const text of ["one", "two", "three"]) await send(text, sender, recipient);
    expect(textsOf((await answer).json)).toEqual(["one", "two", "three"]);
  });

  it("answers events as a stream shows them", async () => {
    const stream = await standingStream(backstay, ben.token);
    await send("one");
    const event = await stream.event();
    expect(await pollNow(stream.cursor)).toMatchObject({ events: [event] });
  });

  it("answers nothing, with a cursor, when nothing comes in its time", async () => {
    const answer = await poll({ wait: "0.1s" });
    expect(answer).toEqual({ cursor: expect.stringMatching(/^[A-Za-z0-9_-]{28}$/) });
  });

  it("waits no longer than the server lets it", async () => {
    const own = await start({ "events.poll_timeout": "100ms" });
    const { token } = await own.signUp();
    for (const request of [{}, { wait: "3600s" }]) {
      expect(await within(5_000, poll(request, token, own), "an empty answer")).toEqual({ cursor: expect.any(String) });
    }
  });

  it("gathers as long as it is told to", async () => {
    const [sender, recipient] = [await narrow.signUp(), await narrow.signUp()];
    const { answer } = await waitingPoll(recipient.token, { gather: "1s" });
    await send("one", sender, recipient);
    // Longer than the server's own time of gathering.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await send("two", sender, recipient);
    expect(textsOf((await answer).json)).toEqual(["one", "two"]);
    expect(await curlRefused(backstay, POLL, { gather: "61s" }, ben.token)).toMatchObject({
      reason: "INVALID_FIELD",
      fields: ["gather"],
    });
  });

  it("is the same by REST", async () => {
    const cursor = await cursorNow();
    await send("one");
    const query = new URLSearchParams({
      afterCursor: cursor,
      match: "message/add",
      gather: "0.05s",
      othersOnly: "true",
    });
    const response = await fetch(`${backstay.url}/v1/events:poll?${query}`, { headers: bearer(ben.token) });
    expect(await response.json()).toMatchObject({ events: [{ data: { text: "one" } }] });
  });
});

describe("resuming", () => {
  it("poll by poll loses nothing and repeats nothing while messages are sent", async () => {
    let cursor = await cursorNow();
    const sending = Promise.all(
      upTo(4).map(async (sender) => {
        const from = await backstay.signUp();
        for (const n of upTo(50)) await send(`${sender} ${n}`, from);
      }),
    );
    const seen: { id: string; text: unknown }[] = [];
    while (seen.length < 200) {
      const answer = await poll({ afterCursor: cursor, gather: "0.01s" });
      seen.push(...(answer.events ?? []).map(({ id, data }) => ({ id, text: data.text })));
      cursor = answer.cursor;
    }
    await sending;
    expect(new Set(seen.map(({ id }) => id)).size).toBe(200);
    const { messages } = await ben.client.messages.listMessages({ pageSize: 500 });
    expect(seen.map(({ text }) => text)).toEqual(messages.map(({ text }) => text));
  });

  it("brings at most 256 events, and the others next", async () => {
    const cursor = await cursorNow();
    const texts = upTo(300).map(String);
    for (let n = 0; n < 300; n += 50) await Promise.all(texts.slice(n, n + 50).map((text) => send(text)));
    const first = await eventually(5_000, "all events are in the log", async () => {
      const answer = await pollNow(cursor);
      return answer.events?.length === 256 ? answer : undefined;
    });
    const rest: unknown[] = [];
    for (let from = first.cursor; rest.length < 44; ) {
      const answer = await poll({ afterCursor: from });
      rest.push(...textsOf(answer));
      from = answer.cursor;
    }
    expect([...textsOf(first), ...rest].sort()).toEqual([...texts].sort());
  });

  it("brings everything that is there, however short the time of gathering", async () => {
    const { cursor } = await standingStream(backstay, ben.token);
    const stream = await standingStream(backstay, ben.token);
    for (const text of ["one", "two", "three"]) await send(text);
    for (const _ of upTo(3)) await stream.event();
    expect(textsOf(await pollNow(cursor))).toEqual(["one", "two", "three"]);
    expect(textsOf(await pollNow("earliest"))).toEqual(["one", "two", "three"]);
  });

  it("moves the cursor on past what was not wanted", async () => {
    const stream = await standingStream(backstay, ben.token);
    await send("one");
    await stream.event();
    const answer = await pollNow(stream.cursor, { types: ["account.*"] });
    expect(answer.events).toBeUndefined();
    expect(await pollNow(answer.cursor)).toEqual({ cursor: answer.cursor });
  });

  it("is refused with a cursor that was not made here", async () => {
    expect(await curlRefused(backstay, POLL, { afterCursor: "latest" }, ben.token)).toEqual({
      code: "invalid_argument",
      reason: "INVALID_CURSOR",
      fields: ["afterCursor"],
    });
  });
});

describe("a gap", () => {
  it("is told at once, with a cursor from which on nothing is missing", async () => {
    const sql = openDatabase(backstay);
    const [log] = await sql`select epoch from backstay.event_log`;
    const cursor = encodeCursor(keyOf(backstay), { epoch: log?.epoch, offset: 1_000_000_000 });
    const answer = await poll({ afterCursor: cursor });
    expect(answer).toEqual({ cursor: expect.any(String), gap: { from: cursor, to: answer.cursor } });
    await send("live");
    expect(textsOf(await poll({ afterCursor: answer.cursor }))).toEqual(["live"]);
  });
});

describe("what is wanted", () => {
  it("is chosen by types and by match", async () => {
    const cursor = await cursorNow();
    await rename(ben, "Benjamin");
    await send("one");
    expect((await poll({ afterCursor: cursor, types: ["account.*"] })).events).toMatchObject([
      { type: "account.update" },
    ]);
    expect(textsOf(await poll({ afterCursor: cursor, match: "^{path:/message/add" }))).toEqual(["one"]);
    expect(await curlRefused(backstay, POLL, { match: "(" }, ben.token)).toEqual({
      code: "invalid_argument",
      reason: "INVALID_PATTERN",
      fields: ["match"],
    });
  });

  it("leaves out what the caller did when it is to, before its time of gathering begins", async () => {
    const [her, me] = [await narrow.signUp(), await narrow.signUp()];
    const { answer } = await waitingPoll(me.token, { othersOnly: true });
    await send("mine", me, her);
    await rename(me, "Benjamin");
    // Longer than the time of gathering: a timer that the caller's own events had started would be over.
    await new Promise((resolve) => setTimeout(resolve, 600));
    await send("hers", her, me);
    expect(textsOf((await answer).json)).toEqual(["hers"]);
  });

  it("is one event also when it happened in two of the topics", async () => {
    const topics = [`account/${ada.id}`, `account/${ben.id}`];
    const token = operatorToken(backstay);
    const { cursor } = await poll({ topics, wait: "0s" }, token);
    await send("one");
    const stream = await standingStream(backstay, token, { topics, afterCursor: cursor });
    const [first, second] = [await stream.event(), await stream.event()];
    expect(first.id).toBe(second.id);
    const answer = await poll({ topics, afterCursor: cursor, gather: "0s" }, token);
    expect(answer.events).toEqual([first]);
    expect(answer.cursor).toBe(second.cursor);
  });

  it("is one's own topic, and others for administrators", async () => {
    expect(await curlRefused(backstay, POLL, { topics: [`account/${ada.id}`] }, ben.token)).toMatchObject({
      reason: "TOPIC_FORBIDDEN",
    });
    expect(await curlRefused(backstay, POLL, {}, operatorToken(backstay))).toMatchObject({
      reason: "ACCOUNT_REQUIRED",
    });
    expect(await curlRefused(backstay, POLL, {})).toMatchObject({ reason: "TOKEN_MISSING" });
  });
});

describe("a poll that waits", () => {
  it("ends when its sign-in does", async () => {
    const { token } = await narrow.signUp();
    const { answer } = await waitingPoll(token);
    await curl(narrow, "auth.v1.AuthService/SignOut", {}, token);
    const { status, json } = await within(1_000, answer, "the poll ends");
    expect(status).toBe(401);
    expect(refusedJson(json)).toEqual({ code: "unauthenticated", reason: "TOKEN_REVOKED", fields: [] });
  });

  it("counts as a stream", async () => {
    const { token } = await narrow.signUp();
    const { answer, hangUp } = await waitingPoll(token);
    expect(await curlRefused(narrow, POLL, {}, token)).toMatchObject({ reason: "TOO_MANY_STREAMS" });
    const stream = await openStream(narrow, token);
    expect((await stream.next()).end?.refused).toMatchObject({ reason: "TOO_MANY_STREAMS" });
    hangUp();
    await expect(answer).rejects.toThrow();
  });

  it("frees its place when the caller hangs up", async () => {
    const { token } = await narrow.signUp();
    const { answer, hangUp } = await waitingPoll(token);
    hangUp();
    await expect(answer).rejects.toThrow();
    await placeIsFree(token);
  });

  it("answers what it has when the server stops", async () => {
    const own = await startBackstay({ "events.poll_interval": "1m" });
    const [sender, recipient] = [await own.signUp(), await own.signUp()];
    const { cursor } = await poll({ wait: "0s" }, recipient.token, own);
    const [full, empty] = [
      poll({ afterCursor: cursor }, recipient.token, own),
      poll({ types: ["nothing.*"] }, recipient.token, own),
    ];
    const stream = await standingStream(own, recipient.token);
    await sender.client.messages.sendMessage({ recipientId: recipient.id, text: "the last" });
    await stream.event();
    const stopped = own.stop();
    expect(textsOf(await within(10_000, full, "an answer"))).toEqual(["the last"]);
    expect(await within(10_000, empty, "an answer")).toEqual({ cursor: expect.any(String) });
    await stopped;
  });

  it("answers what it has when its token expires", async () => {
    const own = await start({ "auth.access_ttl": "1s", "events.poll_timeout": "1m" });
    const { token } = await own.signUp();
    expect(await within(3_000, poll({}, token, own), "an answer")).toEqual({ cursor: expect.any(String) });
  });
});
