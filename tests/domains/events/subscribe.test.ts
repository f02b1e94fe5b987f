import http2 from "node:http2";
import { type Event, eventData, MessageSchema } from "@backstay/client";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { encodeCursor } from "../../../server/kernel/event-cursor.js";
import { eventPruner } from "../../../server/platform/events/index.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { openStream, standingStream } from "../stream.js";
import { bearer, curl, eventually, keyOf, openDatabase, operator, operatorToken, upTo, within } from "../support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "events.heartbeat": "200ms", "events.streams_per_account": "3" });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const send = (text: string, from = ada, to = ben) =>
  from.client.messages.sendMessage({ recipientId: to.id, text }).then(({ message }) => message!);
const rename = (who: Person, name: string) =>
  who.client.accounts.updateAccount({ account: { name }, updateMask: { paths: ["name"] } });

/** A server of the test's own. */
async function start(...args: Parameters<typeof startBackstay>): Promise<TestBackstay> {
  const own = await startBackstay(...args);
  onTestFinished(() => own.stop());
  return own;
}

async function asAdmin(own: TestBackstay): Promise<string> {
  const person = { login: "admin", secret: "correct horse", name: "Admin", roles: ["admin"] };
  await operator(own).accounts.createAccount(person);
  const { tokens } = await curl<{ tokens: { accessToken: string } }>(own, "auth.v1.AuthService/SignIn", {
    login: person.login,
    secret: person.secret,
  });
  return tokens.accessToken;
}

describe("a stream", () => {
  it("says at once that it stands, and from where it can be resumed", async () => {
    const stream = await openStream(backstay, ben.token);
    const { ready } = await stream.next(1_000);
    expect(ready?.cursor).toMatch(/^[A-Za-z0-9_-]{28}$/);
  });

  it("brings what happens from now on, within a second, and nothing from before", async () => {
    await send("before");
    // The message before is in the log when its event has been seen by another stream.
    const earlier = await standingStream(backstay, ben.token, { afterCursor: "earliest" });
    await earlier.event();
    const stream = await standingStream(backstay, ben.token);
    const message = await send("after");
    const event = await stream.event(1_000);
    expect(event).toMatchObject({
      type: "message.add",
      path: "/message/add",
      topic: `account/${ben.id}`,
      actorId: ada.id,
      data: { id: message.id, text: "after" },
    });
    expect(event.id).toMatch(/^[0-9a-f]{32}$/);
    expect(Math.abs(Date.parse(event.time) - Date.now())).toBeLessThan(60_000);
  });

  it("is one of several that all bring the same event", async () => {
    const streams = await Promise.all(upTo(3).map(() => standingStream(backstay, ben.token)));
    await send("to all");
    const events = await Promise.all(streams.map((stream) => stream.event(1_000)));
    expect(new Set(events.map(({ id, cursor }) => `${id} ${cursor}`)).size).toBe(1);
  });

  it("says in silence that it still stands, with a cursor from which nothing is missed", async () => {
    const stream = await standingStream(backstay, ben.token);
    // What others do moves the cursor on.
    await rename(ada, "Renamed");
    const moved = eventually(10_000, "a heartbeat with a newer cursor", async () => {
      const { heartbeat } = await stream.next(1_000);
      return heartbeat && heartbeat.cursor !== stream.cursor ? heartbeat.cursor : undefined;
    });
    const cursor = await moved;
    await stream.close();
    await send("missed");
    const resumed = await standingStream(backstay, ben.token, { afterCursor: cursor });
    expect((await resumed.event(1_000)).data.text).toBe("missed");
  });

  it("asks for an account", async () => {
    const anonymous = await openStream(backstay, "");
    expect((await anonymous.next()).end?.refused).toMatchObject({ code: "unauthenticated", reason: "INVALID_TOKEN" });
    const operator = await openStream(backstay, operatorToken(backstay));
    expect((await operator.next()).end?.refused).toEqual({
      code: "permission_denied",
      reason: "ACCOUNT_REQUIRED",
      fields: ["topics"],
    });
  });
});

describe("resuming", () => {
  it("after a cursor brings first what was missed, then what happens", async () => {
    const stream = await standingStream(backstay, ben.token);
    await send("seen");
    const { cursor } = await stream.event();
    await stream.close();
    for (const text of ["missed 1", "missed 2"]) await send(text);
    const resumed = await standingStream(backstay, ben.token, { afterCursor: cursor });
    await send("live");
    const texts = [await resumed.event(), await resumed.event(), await resumed.event()].map(({ data }) => data.text);
    expect(texts).toEqual(["missed 1", "missed 2", "live"]);
  });

  it("from earliest brings everything that is kept", async () => {
    const sent = upTo(450).map((n) => `message ${n}`);
    for (let n = 0; n < sent.length; n += 50) await Promise.all(sent.slice(n, n + 50).map((text) => send(text)));
    const stream = await standingStream(backstay, ben.token, { afterCursor: "earliest" });
    const texts: unknown[] = [];
    while (texts.length < sent.length) texts.push((await stream.event()).data.text);
    expect([...texts].sort()).toEqual([...sent].sort());
    expect(await listedTexts(ben)).toEqual(texts);
  });

  it("again and again while 800 messages are being sent loses none, repeats none, and keeps their order", {
    timeout: 60_000,
  }, async () => {
    const own = await start();
    const recipient = await own.signUp();
    const senders = await Promise.all(upTo(8).map(() => own.signUp()));
    let { cursor } = await standingStream(own, recipient.token);
    const sending = Promise.all(
      senders.map(async (sender, s) => {
        for (const n of upTo(100)) {
          await sender.client.messages.sendMessage({ recipientId: recipient.id, text: `${s} ${n}` });
        }
      }),
    );
    const seen: { id: string; text: unknown }[] = [];
    let connections = 0;
    while (seen.length < 800) {
      const stream = await standingStream(own, recipient.token, { afterCursor: cursor });
      const stoodAt = Date.now();
      connections++;
      // Past the seam: what was missed, and then some of what was sent while the stream stood.
      for (let sentAt = 0; sentAt <= stoodAt + 3 && seen.length < 800; ) {
        const { id, data, time, ...event } = await stream.event();
        seen.push({ id, text: data.text });
        cursor = event.cursor;
        sentAt = Date.parse(time);
      }
      await stream.close();
    }
    await sending;
    expect(connections).toBeGreaterThan(5);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(800);
    expect(await listedTexts(recipient)).toEqual(seen.map(({ text }) => text));
  });

  it("works with any event's cursor, also one that the filter of another stream left out", async () => {
    const stream = await standingStream(backstay, ben.token);
    await send("one");
    await rename(ben, "Benjamin");
    await send("two");
    const [, renamed] = [await stream.event(), await stream.event()];
    const resumed = await standingStream(backstay, ben.token, {
      afterCursor: renamed.cursor,
      types: ["message.*"],
    });
    expect((await resumed.event()).data.text).toBe("two");
  });

  async function listedTexts(who: Person): Promise<string[]> {
    const texts: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await who.client.messages.listMessages({ pageSize: 500, pageToken });
      texts.push(...page.messages.map(({ text }) => text));
      pageToken = page.nextPageToken;
      if (pageToken === "") return texts;
    }
  }
});

describe("a gap", () => {
  const prune = async (own: TestBackstay, before: Date, perTopic: number) => {
    const sql = postgres(own.databaseUrl, { max: 1, transform: { column: { from: postgres.toCamel } } });
    const run = async <Row>(text: string, values: readonly unknown[]) =>
      [...(await sql.unsafe(text, values as never[]))] as Row[];
    await eventPruner()({ db: { run } }, { before, perTopic });
    await sql.end();
  };

  it("is told when events after the cursor are no longer kept, and then comes what is live", async () => {
    const stream = await standingStream(backstay, ben.token);
    for (const text of ["one", "two", "three"]) await send(text);
    const [first] = [await stream.event(), await stream.event(), await stream.event()];
    await stream.close();
    await prune(backstay, new Date(0), 1);
    const resumed = await openStream(backstay, ben.token, { afterCursor: first.cursor });
    // Whoever breaks off before he has heard of the gap hears of it again.
    expect(await resumed.next()).toEqual({ ready: { cursor: first.cursor } });
    const { gap } = await resumed.next();
    expect(gap?.from).toBe(first.cursor);
    await send("live");
    expect((await resumed.event()).data.text).toBe("live");
    const after = await standingStream(backstay, ben.token, { afterCursor: gap!.to });
    expect((await after.event()).data.text).toBe("live");
  });

  it("is not told when only what was seen is no longer kept", async () => {
    const stream = await standingStream(backstay, ben.token);
    for (const text of ["one", "two", "three"]) await send(text);
    const [, second] = [await stream.event(), await stream.event(), await stream.event()];
    await stream.close();
    await prune(backstay, new Date(0), 1);
    const resumed = await standingStream(backstay, ben.token, { afterCursor: second.cursor });
    expect((await resumed.event()).data.text).toBe("three");
  });

  it("of one account is none of another's", async () => {
    const stream = await standingStream(backstay, ada.token);
    await rename(ada, "Ada");
    const { cursor } = await stream.event();
    for (const text of ["one", "two"]) await send(text, ben, await backstay.signUp());
    await prune(backstay, new Date(0), 1);
    const resumed = await standingStream(backstay, ada.token, { afterCursor: cursor });
    await rename(ada, "Ada L.");
    expect((await resumed.event()).type).toBe("account.update");
  });

  it.each([
    ["another log", (epoch: string) => ({ epoch: epoch.replace(/^./, (x) => (x === "0" ? "1" : "0")), offset: 0 })],
    ["the future of this log", (epoch: string) => ({ epoch, offset: 1_000_000_000 })],
  ])("is told for a cursor of %s", async (_, cursorOf) => {
    const sql = openDatabase(backstay);
    const [log] = await sql`select epoch from backstay.event_log`;
    const cursor = encodeCursor(keyOf(backstay), cursorOf(log?.epoch));
    const stream = await openStream(backstay, ben.token, { afterCursor: cursor });
    expect(await stream.next()).toEqual({ ready: { cursor } });
    const { gap } = await stream.next();
    expect(gap).toEqual({ from: cursor, to: expect.any(String) });
    expect((await standingStream(backstay, ben.token, { afterCursor: gap!.to })).cursor).toBe(gap!.to);
    await send("live");
    expect((await stream.event()).data.text).toBe("live");
  });

  it("is made up for by the client's onGap, after which the events go on", async () => {
    const stream = await standingStream(backstay, ben.token);
    for (const text of ["one", "two"]) await send(text);
    const [first] = [await stream.event(), await stream.event()];
    await stream.close();
    await prune(backstay, new Date(Date.now() + 60_000), 1_000);
    const gaps: unknown[] = [];
    const events = ben.client.events.subscribe({ afterCursor: first.cursor }, { onGap: (gap) => void gaps.push(gap) });
    await events.ready();
    // The stream stands before the gap is told.
    const next = events.next();
    await send("live");
    expect(eventData((await next).value as Event, MessageSchema).text).toBe("live");
    expect(gaps).toEqual([{ from: first.cursor, to: expect.any(String) }]);
    await events.return();
  });
});

describe("a cursor", () => {
  const invalid = { code: "invalid_argument", reason: "INVALID_CURSOR", fields: ["afterCursor"] };
  const refusedWith = async (afterCursor: string) =>
    (await (await openStream(backstay, ben.token, { afterCursor })).next()).end?.refused;

  it.each(["0", "latest", "EARLIEST", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "' or true --"])(
    "is refused when it was not made here: %s",
    async (cursor) => {
      expect(await refusedWith(cursor)).toEqual(invalid);
    },
  );

  it("is refused when any of its bytes was changed", async () => {
    const { cursor } = await standingStream(backstay, ben.token);
    const bytes = Buffer.from(cursor, "base64url");
    for (const at of bytes.keys()) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(await refusedWith(changed.toString("base64url")), `byte ${at}`).toEqual(invalid);
    }
  });

  it("of more than 128 characters is refused by its length", async () => {
    expect(await refusedWith("A".repeat(129))).toMatchObject({ reason: "INVALID_FIELD", fields: ["afterCursor"] });
  });
});

describe("types", () => {
  it.each([
    ["exactly", ["account.update"], ["account.update"]],
    ["by prefix", ["message.*"], ["message.add", "message.add"]],
    ["by several", ["account.update", "message.add"], ["message.add", "account.update", "message.add"]],
    ["by a prefix that is a whole name", ["account.*"], ["account.update"]],
  ])("choose %s", async (_, types, expected) => {
    const stream = await standingStream(backstay, ben.token, { types });
    await send("one");
    await rename(ben, "Ben");
    await send("two");
    const seen: string[] = [];
    while (seen.length < expected.length) seen.push((await stream.event()).type);
    expect(seen).toEqual(expected);
  });

  it("that nothing has bring nothing", async () => {
    const stream = await standingStream(backstay, ben.token, { types: ["message.read"] });
    await send("one");
    // The heartbeat whose cursor has passed the event proves that it was left out.
    await eventually(10_000, "a newer cursor", async () => {
      const item = await stream.next();
      expect(item.event).toBeUndefined();
      return item.heartbeat?.cursor === stream.cursor ? undefined : true;
    });
  });

  it.each(["*", "message", "message.", "Message.add", "message.*.add", ".*", "message.(a+)+$"])(
    "are refused when one is %s",
    async (type) => {
      const stream = await openStream(backstay, ben.token, { types: ["message.add", type] });
      expect((await stream.next()).end?.refused).toEqual({
        code: "invalid_argument",
        reason: "INVALID_FIELD",
        fields: ["types[1]"],
      });
    },
  );

  it("are at most 32", async () => {
    const stream = await openStream(backstay, ben.token, { types: Array(33).fill("message.add") });
    expect((await stream.next()).end?.refused).toMatchObject({ reason: "INVALID_FIELD", fields: ["types"] });
  });
});

describe("match", () => {
  const refusal = async (match: string) =>
    (await (await openStream(backstay, ben.token, { match })).next()).end?.refused;

  it.each([
    ["with its quotes", '^{"path":"/message/add","mtime":\\d{13},"type":""}$'],
    ["without its quotes", "^{path:/message/add,mtime:[0-9]+,type:}$"],
    ["anywhere in it", "message/a.*type:"],
    ["whatever the case, when it says so", "(?i)MESSAGE"],
  ])("is found in the predecessor's text of an event %s", async (_, match) => {
    const stream = await standingStream(backstay, ben.token, { match });
    await rename(ben, "Benjamin");
    await send("one");
    expect(await stream.event()).toMatchObject({ type: "message.add", data: { text: "one" } });
  });

  it("and types must both be met", async () => {
    const stream = await standingStream(backstay, ben.token, { match: "message", types: ["account.*"] });
    await send("one");
    await rename(ben, "Benjamin");
    await eventually(10_000, "a newer cursor", async () => {
      const item = await stream.next();
      expect(item.event).toBeUndefined();
      return item.heartbeat?.cursor === stream.cursor ? undefined : true;
    });
  });

  it.each(["(", "a{2,1}", "(?=a)", "(a)\\1", "[z-a]", "*"])("is refused when it is no RE2: %s", async (match) => {
    expect(await refusal(match)).toEqual({ code: "invalid_argument", reason: "INVALID_PATTERN", fields: ["match"] });
  });

  it("has at most 256 characters, and repeats little", async () => {
    expect(await refusal("a".repeat(257))).toMatchObject({ reason: "INVALID_FIELD", fields: ["match"] });
    expect(await refusal("(a{30}){30}")).toMatchObject({ reason: "INVALID_PATTERN", fields: ["match"] });
    const stream = await standingStream(backstay, ben.token, { match: "a".repeat(256) });
    await stream.close();
  });

  it("that would take a backtracking matcher for ever holds up nobody", async () => {
    const stream = await standingStream(backstay, ben.token, { match: "(\\w+\\w+)+!" });
    const other = await standingStream(backstay, ben.token);
    await send("one");
    expect((await other.event()).data.text).toBe("one");
    await stream.close();
  });
});

describe("topics", () => {
  it("are one's own when none is named, and can be named by id or by me", async () => {
    for (const topics of [[], [`account/${ben.id}`], ["account/me"], ["account/me", `account/${ben.id}`]]) {
      const stream = await standingStream(backstay, ben.token, { topics });
      await send("mine");
      expect(await stream.event()).toMatchObject({ topic: `account/${ben.id}`, data: { text: "mine" } });
      await stream.close();
      await eventually(2_000, "the place is free", async () => (await standsOrNot(ben)) || undefined);
    }
  });

  it.each([
    ["someone else's", () => `account/${ada.id}`],
    ["nobody's", () => "account/0190163d8694739b8b1fcb8dd4e60777"],
    ["of another kind", () => "system/log"],
    ["that looks like a path", () => "account/../x"],
  ])("case 74: of %s are forbidden", async (_, topic) => {
    const stream = await openStream(backstay, ben.token, { topics: ["account/me", topic()] });
    expect((await stream.next()).end?.refused).toEqual({
      code: "permission_denied",
      reason: "TOPIC_FORBIDDEN",
      fields: ["topics"],
    });
  });

  it("of others may be followed by administrators and the installation's command line", async () => {
    const own = await start();
    const [sender, recipient] = [await own.signUp(), await own.signUp()];
    const topics = [`account/${recipient.id}`];
    const streams = [
      await standingStream(own, await asAdmin(own), { topics }),
      await standingStream(own, operatorToken(own), { topics }),
    ];
    await sender.client.messages.sendMessage({ recipientId: recipient.id, text: "Watched" });
    for (const stream of streams) expect((await stream.event(1_000)).data.text).toBe("Watched");
  });

  it("of two are followed in one stream, resumed by one cursor", async () => {
    const own = await start();
    const [one, two] = [await own.signUp(), await own.signUp()];
    const topics = [one, two].map(({ id }) => `account/${id}`);
    const token = operatorToken(own);
    const stream = await standingStream(own, token, { topics });
    await rename(one, "One");
    await rename(two, "Two");
    const [first, second] = [await stream.event(), await stream.event()];
    expect([first.actorId, second.actorId]).toEqual([one.id, two.id]);
    const resumed = await standingStream(own, token, { topics, afterCursor: first.cursor });
    expect((await resumed.event()).id).toBe(second.id);
  });

  it.each(["account", "account/", "/x", "account/a b", "account/>", "Account/x", "account/*", "account//x"])(
    "case 74: are refused when one is %s",
    async (topic) => {
      const stream = await openStream(backstay, ben.token, { topics: [topic] });
      expect((await stream.next()).end?.refused).toEqual({
        code: "invalid_argument",
        reason: "INVALID_FIELD",
        fields: ["topics[0]"],
      });
    },
  );
});

describe("the number of streams", () => {
  it("of an account is bounded, and a place is free again when a stream has ended", async () => {
    const streams = await Promise.all(upTo(3).map(() => standingStream(backstay, ben.token)));
    const fourth = await openStream(backstay, ben.token);
    expect((await fourth.next()).end?.refused).toEqual({
      code: "resource_exhausted",
      reason: "TOO_MANY_STREAMS",
      fields: [],
    });
    await standingStream(backstay, ada.token);
    await streams[1]!.close();
    await eventually(2_000, "the place is free", async () => (await standsOrNot(ben)) || undefined);
  });
});

describe("a stream ends", () => {
  it("with goodbye when it has lived its time, and is resumed without a seam by the client", async () => {
    const own = await start({ "events.stream_ttl": "300ms" });
    const [sender, recipient] = [await own.signUp(), await own.signUp()];
    const stream = await standingStream(own, recipient.token);
    expect((await stream.goodbye(1_000)).reconnectAfterMs).toBeGreaterThan(0);
    expect(await stream.next()).toEqual({ end: {} });

    let connections = 0;
    const onStatus = ({ status }: { status: string }) => {
      if (status === "live") connections++;
    };
    const events = recipient.client.events.subscribe({}, { onStatus });
    await events.ready();
    const texts: string[] = [];
    for (let n = 1; connections < 3; n++) {
      await sender.client.messages.sendMessage({ recipientId: recipient.id, text: `${n}` });
      texts.push(eventData((await events.next()).value as Event, MessageSchema).text);
    }
    expect(texts).toEqual(upTo(texts.length).map(String));
    await events.return();
  });

  it("with goodbye when its token expires", async () => {
    const own = await start({ "auth.access_ttl": "1s" });
    const { token } = await own.signUp();
    const stream = await standingStream(own, token);
    await stream.goodbye(1_500);
    const again = await openStream(own, token);
    expect((await again.next()).end?.refused).toMatchObject({ code: "unauthenticated", reason: "TOKEN_EXPIRED" });
  });

  it("with goodbye when the server stops", async () => {
    const own = await startBackstay();
    const { token } = await own.signUp();
    const stream = await standingStream(own, token);
    const stopped = own.stop();
    await stream.goodbye(1_000);
    expect(await stream.next(1_000)).toEqual({ end: {} });
    await stopped;
  });

  it("within a second of signing out", async () => {
    const stream = await standingStream(backstay, ben.token);
    await curl(backstay, "auth.v1.AuthService/SignOut", {}, ben.token);
    expect((await stream.end(1_000)).refused).toEqual({
      code: "unauthenticated",
      reason: "TOKEN_REVOKED",
      fields: [],
    });
  });

  it("also when another process has ended the sign-in and this one was not told", async () => {
    const sql = openDatabase(backstay);
    const stream = await standingStream(backstay, ben.token);
    await sql`delete from backstay.grants where account_id = ${ben.id}`;
    expect((await stream.end(1_000)).refused).toMatchObject({ reason: "TOKEN_REVOKED" });
  });

  it("at the caller's own deadline, which is said", async () => {
    const stream = await openStream(backstay, ben.token, {}, { "connect-timeout-ms": "300" });
    expect((await stream.next()).ready).toBeDefined();
    expect((await stream.end(1_500)).refused).toEqual({
      code: "deadline_exceeded",
      reason: "DEADLINE_EXCEEDED",
      fields: [],
    });
  });
});

describe("a reader that is too slow", () => {
  it("is cut off with SLOW_READER, loses nothing when it resumes, and slows nobody down", async () => {
    const fast = await standingStream(backstay, ben.token);
    const slow = await unreadStream(ben.token);
    // 60 events of 64 KiB are more than the connection and the server hold for it.
    const text = "🐌".repeat(16_384);
    for (const _ of upTo(60)) await send(text);
    const fastIds: string[] = [];
    while (fastIds.length < 60) fastIds.push((await fast.event(1_000)).id);

    const { events, end } = await slow.read();
    expect(end.error).toMatchObject({ code: "resource_exhausted" });
    expect(end.error?.details[0]?.debug).toMatchObject({ reason: "SLOW_READER" });
    expect(events.length).toBeLessThan(60);
    const ids = events.map(({ id }) => id);
    // The error says where to resume, also to who read nothing of the stream.
    const afterCursor = end.error?.details[0]?.debug.metadata.cursor;
    expect(afterCursor).toBe(events.at(-1)?.cursor ?? slow.cursor);
    const resumed = await standingStream(backstay, ben.token, { afterCursor: afterCursor! });
    while (ids.length < 60) ids.push((await resumed.event()).id);
    expect(ids).toEqual(fastIds);
  });

  /** A stream by HTTP/2 whose client takes only what says that it stands, until it is told to read on. */
  async function unreadStream(token: string) {
    const session = http2.connect(backstay.url);
    onTestFinished(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": "/backstay.events.v1.EventService/Subscribe",
      "content-type": "application/connect+json",
      ...bearer(token),
    });
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]));
    let bytes = Buffer.alloc(0);
    const take = (): { flags: number; json: ReturnType<typeof JSON.parse> } | undefined => {
      if (bytes.length < 5 || bytes.length < 5 + bytes.readUInt32BE(1)) return undefined;
      const length = bytes.readUInt32BE(1);
      const frame = { flags: bytes[0]!, json: JSON.parse(bytes.toString("utf8", 5, 5 + length)) };
      bytes = bytes.subarray(5 + length);
      return frame;
    };
    const cursor = await new Promise<string>((resolve) => {
      stream.on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        const first = take();
        if (first === undefined) return;
        stream.removeAllListeners("data");
        stream.pause();
        resolve(first.json.ready.cursor);
      });
    });
    return {
      cursor,
      async read() {
        const events: { id: string; cursor: string }[] = [];
        const ended = new Promise<{ error?: ErrorJson }>((resolve) => {
          stream.on("data", (chunk: Buffer) => {
            bytes = Buffer.concat([bytes, chunk]);
            for (let frame = take(); frame !== undefined; frame = take()) {
              if (frame.flags === 2) resolve(frame.json);
              else if (frame.json.event) events.push(frame.json.event);
            }
          });
        });
        stream.resume();
        return { end: await within(5_000, ended, "the slow stream ends"), events };
      },
    };
  }
});

/** An error at the end of a stream. */
interface ErrorJson {
  code: string;
  details: { debug: { reason: string; metadata: { cursor: string } } }[];
}

/** Whether a stream of the person finds a place; it leaves it again. */
async function standsOrNot(person: Person): Promise<boolean> {
  const stream = await openStream(backstay, person.token);
  const stands = (await stream.next()).ready !== undefined;
  await stream.close();
  return stands;
}
