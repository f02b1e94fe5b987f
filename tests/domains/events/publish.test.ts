import { createClient as createConnectClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EventService } from "#gen/backstay/events/v1/events_pb.js";
import { publishEvent } from "../../../server/domains/events/index.js";
import { declaredTopics } from "../../../server/kernel/declared-topics.js";
import { DomainError } from "../../../server/kernel/errors.js";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { type EventJson, standingStream } from "../stream.js";
import {
  bearer,
  curl,
  curlRefused,
  eventually,
  openDatabase,
  operator,
  operatorToken,
  refusedJson,
  testClock,
  upTo,
} from "../support.js";
import { heardAt, startNode } from "./node.js";

const PUBLISH = "events.v1.EventService/Publish";

interface Request {
  topic?: string;
  type?: string;
  data?: object;
  ephemeral?: boolean;
}

const topics = declaredTopics();
topics.declare("room/{id}", { subscribe: true, publish: ({ accountId }, { id }) => id === "open" || id === accountId });
topics.declare("news/today", { subscribe: true });
topics.declare("broken/{how}", {
  publish: (_, { how }) => {
    if (how === "throws") throw new Error("the rule has a defect");
    return Promise.reject(new Error("the rule has a defect"));
  },
});

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
const clock = testClock();
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock, topics } });
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const publish = async (request: Request, token = ada.token) =>
  (await curl<{ event: EventJson }>(backstay, PUBLISH, { type: "chat.line", ...request }, token)).event;
const publishRefused = (request: Request, token = ada.token) =>
  curlRefused(backstay, PUBLISH, { type: "chat.line", ...request }, token);
const withKey = (key: string, request: Request) =>
  call(backstay.url, PUBLISH, { type: "chat.line", ...request }, { ...bearer(ada.token), "idempotency-key": key });

const own = () => `account/${ada.id}`;
const forbidden = { code: "permission_denied", reason: "TOPIC_FORBIDDEN", fields: ["topic"] };

/** Events of a topic that are in the log, or on their way there. */
async function written(topic: string): Promise<number> {
  const sql = openDatabase(backstay);
  const [row] = await sql`select (select count(*) from backstay.events where topic = ${topic})::int
    + (select count(*) from backstay.outbox where ${topic} = any(topics))::int as count`;
  return row!.count;
}

async function admin(): Promise<string> {
  const login = `admin-${ada.id}`;
  await operator(backstay).accounts.createAccount({ login, secret: "correct horse", name: "A", roles: ["admin"] });
  const signIn = { login, secret: "correct horse" };
  return (await curl<{ tokens: { accessToken: string } }>(backstay, "auth.v1.AuthService/SignIn", signIn)).tokens
    .accessToken;
}

describe("a durable event", () => {
  it("reaches the topic's streams within a second, as the answer has it, with a cursor", async () => {
    const stream = await standingStream(backstay, ada.token, { types: ["chat.*"] });
    const answer = await publish({ data: { text: "Grüße 👩‍👩‍👧", deep: [{ list: [1, -2.5, 1e21, true, null] }] } });
    const event = await stream.event(1_000);
    expect(event).toMatchObject({ type: "chat.line", path: "/chat/line", topic: own(), actorId: ada.id });
    expect(event.data).toEqual({ text: "Grüße 👩‍👩‍👧", deep: [{ list: [1, -2.5, 1e21, true, null] }] });
    expect(event.time).toBe(clock.now().toISOString());
    const { cursor, ...rest } = event;
    expect(cursor).not.toBe("");
    expect(answer).toEqual(rest);
  });

  it("is brought to whoever resumes later", async () => {
    const stream = await standingStream(backstay, ada.token, { types: ["chat.*"] });
    await stream.close();
    const { id } = await publish({ data: { text: "missed" } });
    const resumed = await standingStream(backstay, ada.token, { afterCursor: stream.cursor, types: ["chat.*"] });
    expect((await resumed.event(1_000)).id).toBe(id);
  });

  it("without data has an empty object of it", async () => {
    const stream = await standingStream(backstay, ada.token, { types: ["chat.*"] });
    await publish({});
    expect((await stream.event(1_000)).data).toEqual({});
  });
});

describe("an ephemeral event", () => {
  it("reaches the streams that are open, without a cursor", async () => {
    const stream = await standingStream(backstay, ada.token, { types: ["chat.*"] });
    const answer = await publish({ data: { typing: true }, ephemeral: true });
    const event = await stream.event(1_000);
    expect(event.cursor ?? "").toBe("");
    expect(event).toMatchObject({ id: answer.id, type: "chat.line", topic: own(), data: { typing: true } });
  });

  it("is kept nowhere", async () => {
    await publish({ ephemeral: true });
    const { id } = await publish({});
    const stream = await standingStream(backstay, ada.token, { afterCursor: "earliest", types: ["chat.*"] });
    expect((await stream.event(1_000)).id).toBe(id);
    expect(await written(own())).toBe(1);
  });

  it("goes out again with a repeated idempotency key, by the same id, so that its hearers know it", async () => {
    const stream = await standingStream(backstay, ada.token, { types: ["chat.*"] });
    for (const text of ["one", "one", "two"]) {
      const { status } = await withKey(`key-${text}`, { data: { text }, ephemeral: true });
      expect(status).toBe(200);
    }
    const [first, again, other] = [await stream.event(1_000), await stream.event(1_000), await stream.event(1_000)];
    expect(again.id).toBe(first.id);
    expect(other.id).not.toBe(first.id);
    expect(first.id).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("an idempotency key", () => {
  it("makes a repeat answer the same event, with its time, and write nothing", async () => {
    const first = await withKey("key", { data: { n: 1 } });
    clock.advance(61_001);
    const second = await withKey("key", { data: { n: 1 } });
    expect(second).toMatchObject({ status: 200, json: first.json });
    expect(await written(own())).toBe(1);
  });

  it("is one event when all repeats come at once", async () => {
    const answers = await Promise.all(upTo(20).map(() => withKey("key", { data: { n: 1 } })));
    expect(new Set(answers.map(({ json }) => JSON.stringify(json))).size).toBe(1);
    expect(await written(own())).toBe(1);
  });

  it("is refused with another request", async () => {
    await withKey("key", { data: { n: 1 } });
    const { json } = await withKey("key", { data: { n: 2 } });
    expect(refusedJson(json)).toMatchObject({ code: "failed_precondition", reason: "IDEMPOTENCY_MISMATCH" });
    expect(await written(own())).toBe(1);
  });
});

describe("the topic", () => {
  it("is the caller's own when none is named, by account/me, by its id, or with dashes", async () => {
    const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5").toUpperCase();
    for (const topic of [undefined, "account/me", own(), `account/${dashed}`]) {
      expect((await publish(topic === undefined ? {} : { topic })).topic).toBe(own());
    }
  });

  it("of another account is forbidden", async () => {
    expect(await publishRefused({ topic: `account/${ben.id}` })).toEqual(forbidden);
    expect(await publishRefused({ topic: "account/nobody" })).toEqual(forbidden);
  });

  it("is one whose rule lets the caller, by the parameters of its name", async () => {
    expect((await publish({ topic: "room/open" })).topic).toBe("room/open");
    expect((await publish({ topic: `room/${ada.id}` })).topic).toBe(`room/${ada.id}`);
    expect(await publishRefused({ topic: `room/${ben.id}` })).toEqual(forbidden);
  });

  it("is refused the same, whether it is declared or not", async () => {
    for (const topic of ["news/today", "news/yesterday", "nosuch/room", "system/revocations"]) {
      expect(await publishRefused({ topic })).toEqual(forbidden);
    }
  });

  it("whose rule fails is published to by nobody: that is a defect of the server, and logged", async () => {
    for (const how of ["throws", "rejects"]) {
      const { code, reason } = await publishRefused({ topic: `broken/${how}` });
      expect([code, reason]).toEqual(["internal", "INTERNAL"]);
      expect(await written(`broken/${how}`)).toBe(0);
    }
    expect(backstay.log()).toContain("the rule publish of the topic broken/{how} failed");
    expect(backstay.log()).toContain("the rule has a defect");
  });

  it.each(["room", "Room/1", "room/", "room/a b", "/room", `room/${"x".repeat(65)}`, "a/b/c/d/e/f"])(
    "has the form of one: %s",
    async (topic) => {
      expect(await publishRefused({ topic })).toMatchObject({ reason: "INVALID_FIELD", fields: ["topic"] });
    },
  );
});

describe("an administrator", () => {
  it("publishes to any topic", async () => {
    const token = await admin();
    const stream = await standingStream(backstay, ben.token, { types: ["chat.*"] });
    const { id } = await publish({ topic: `account/${ben.id}` }, token);
    expect((await stream.event(1_000)).id).toBe(id);
    expect((await publish({ topic: "nosuch/room" }, token)).topic).toBe("nosuch/room");
  });

  it("is told when a durable event is for an account that does not exist", async () => {
    const token = await admin();
    const noAccount = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["topic"] };
    for (const id of ["nobody", "0190163d8694739b8b1fcb8dd4e60777"]) {
      expect(await publishRefused({ topic: `account/${id}` }, token)).toEqual(noAccount);
    }
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await publishRefused({ topic: `account/${ben.id}` }, token)).toEqual(noAccount);
    expect(await written(`account/${ben.id}`)).toBe(0);
  });

  it("does not speak in the server's own topics: whoever listens there relies on the server", async () => {
    for (const token of [await admin(), operatorToken(backstay)]) {
      for (const ephemeral of [false, true]) {
        expect(await publishRefused({ topic: "system/revocations", type: "auth.revoke", ephemeral }, token)).toEqual(
          forbidden,
        );
      }
    }
  });

  it("that is the installation's command line has no topic of its own, and names one", async () => {
    const token = operatorToken(backstay);
    const required = { code: "permission_denied", reason: "ACCOUNT_REQUIRED", fields: ["topic"] };
    for (const request of [{}, { topic: "account/me" }]) expect(await publishRefused(request, token)).toEqual(required);
    const event = await publish({ topic: own() }, token);
    expect(event.actorId ?? "").toBe("");
  });
});

describe("the type", () => {
  it.each(["message", "account", "auth", "presence", "connection", "counter", "history", "system", "job", "session"])(
    "%s.* is the server's own",
    async (name) => {
      const reserved = { code: "invalid_argument", reason: "RESERVED_TYPE", fields: ["type"] };
      expect(await publishRefused({ type: `${name}.x` })).toEqual(reserved);
      expect(await publishRefused({ type: `${name}.x.y`, ephemeral: true })).toEqual(reserved);
      // Nobody forges what the server says, administrators neither.
      const forged = { topic: own(), type: `${name}.add`, data: { senderId: ben.id } };
      expect(await publishRefused(forged, operatorToken(backstay))).toEqual(reserved);
      expect((await publish({ type: `${name}s.x` })).type).toBe(`${name}s.x`);
    },
  );

  it.each(["chat", "Chat.line", "chat.", "chat.*", "", `chat.${"x".repeat(33)}`])(
    "has the form of one: %j",
    async (type) => {
      expect(await publishRefused({ type })).toMatchObject({ reason: "INVALID_FIELD", fields: ["type"] });
    },
  );
});

describe("the data", () => {
  /** An object whose JSON has so many bytes. */
  const ofBytes = (bytes: number) => ({ text: "ü".repeat((bytes - 12) / 2) + "x".repeat(bytes % 2), n: 1 });
  const tooLarge = { code: "invalid_argument", reason: "EVENT_TOO_LARGE", fields: ["data"] };

  it("may have 64 KiB of JSON, and not one more", async () => {
    const whole = { text: "x".repeat(65_536 - 11) };
    for (const ephemeral of [false, true]) {
      await publish({ data: whole, ephemeral });
      expect(await publishRefused({ data: { text: `${whole.text}x` }, ephemeral })).toEqual(tooLarge);
      expect(await publishRefused({ data: ofBytes(65_540), ephemeral })).toEqual(tooLarge);
    }
  });

  it("is as large as it is written out, also where a number is short for many digits", async () => {
    expect(await publishRefused({ data: { list: upTo(300).map(() => 1e300) } })).toEqual(tooLarge);
    const stream = await standingStream(backstay, ada.token, { types: ["chat.*"] });
    await publish({ data: { list: upTo(150).map(() => 1e300), text: "1e+300 ".repeat(1_000) } });
    expect((await stream.event(1_000)).data.list).toEqual(upTo(150).map(() => 1e300));
  });

  /** An object of so many levels. */
  const nested = (kind: string, levels: number) =>
    kind === "objects"
      ? JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`)
      : JSON.parse(`{"a":${"[".repeat(levels - 1)}1${"]".repeat(levels - 1)}}`);

  it.each(["objects", "arrays"])("is at most 32 levels of %s deep", async (kind) => {
    const tooDeep = { code: "invalid_argument", reason: "INVALID_FIELD", fields: ["data"] };
    for (const ephemeral of [false, true]) {
      expect(await publishRefused({ data: nested(kind, 33), ephemeral })).toEqual(tooDeep);
    }
    const brackets = { text: '\\"[{'.repeat(50), list: upTo(50).map(() => [{}]) };
    expect((await publish({ data: brackets })).data).toEqual(brackets);
  });

  it.each([
    ["objects", "Connect"],
    ["objects", "gRPC"],
    ["arrays", "Connect"],
    ["arrays", "gRPC"],
  ])("of the deepest %s can be read in binary by %s", async (kind, protocol) => {
    const transport =
      protocol === "gRPC"
        ? createGrpcTransport({ baseUrl: backstay.url })
        : createConnectTransport({ baseUrl: backstay.url, httpVersion: "1.1", useBinaryFormat: true });
    const headers = bearer(ada.token);
    const client = createConnectClient(EventService, transport);
    const call = new AbortController();
    const items = client.subscribe({ types: ["chat.*"] }, { headers, signal: call.signal })[Symbol.asyncIterator]();
    expect((await items.next()).value?.item.case).toBe("ready");
    for (const ephemeral of [false, true]) {
      const { event } = await client.publish({ type: "chat.line", data: nested(kind, 32), ephemeral }, { headers });
      const { item } = (await items.next()).value!;
      expect(item).toMatchObject({ case: "event", value: { id: event?.id, data: nested(kind, 32) } });
    }
    call.abort();
  });

  it("is text: no NUL, and no half characters", async () => {
    const sent = (data: string) =>
      call(backstay.url, PUBLISH, `{"type":"chat.line","data":${data}}`, bearer(ada.token)).then(({ json }) => json);
    expect(refusedJson(await sent('{"x":"a\\u0000b"}'))).toMatchObject({ reason: "NUL_IN_TEXT", fields: ["data"] });
    expect(refusedJson(await sent('{"x":"a\\ud800b"}'))).toMatchObject({ reason: "INVALID_UTF8" });
    expect(await sent('{"x":"a\\\\u0000b \\\\ud800"}')).toMatchObject({ event: { data: { x: "a\\u0000b \\ud800" } } });
  });
});

it("needs a token", async () => {
  const answer = await call(backstay.url, PUBLISH, { type: "chat.line" });
  expect(refusedJson(answer.json)).toMatchObject({ code: "unauthenticated", reason: "TOKEN_MISSING" });
});

describe("an app's own code", () => {
  /** How it is refused. */
  const appRefused = async (promise: Promise<unknown>) => {
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof DomainError)) throw new Error("it was not refused");
    return [error.reason, ...error.fields.map(({ field }) => field)];
  };

  it("publishes to any topic, durably and for the moment", async () => {
    const node = await startNode(backstay.databaseUrl);
    const heard = heardAt(node, "app/room");
    const event = { topic: "app/room", type: "chat.line", data: { n: 1 } };
    const durable = await publishEvent(node, event);
    const ephemeral = await publishEvent(node, { ...event, ephemeral: true, actorId: ada.id });
    await eventually(10_000, "both are heard", async () => (heard.length === 2 ? true : undefined));
    expect(new Set(heard.map(({ id }) => id))).toEqual(new Set([durable.id, ephemeral.id]));
    expect(heard.find(({ id }) => id === ephemeral.id)).toMatchObject({ offset: 0, actorId: ada.id });
    expect(await written("app/room")).toBe(1);
  });

  it("reaches an account at another node", async () => {
    const node = await startNode(backstay.databaseUrl);
    const stream = await standingStream(backstay, ben.token, { types: ["app.*"] });
    const { id } = await publishEvent(node, { topic: `account/${ben.id}`, type: "app.hello" });
    expect(await stream.event(1_000)).toMatchObject({ id, topic: `account/${ben.id}` });
  });

  it("does not speak in the server's name, nor to nobody", async () => {
    const node = await startNode(backstay.databaseUrl);
    const event = { topic: own(), type: "app.hello" };
    expect(await appRefused(publishEvent(node, { ...event, type: "presence.leave" }))).toEqual([
      "RESERVED_TYPE",
      "type",
    ]);
    expect(await appRefused(publishEvent(node, { ...event, type: "Hello" }))).toEqual(["INVALID_FIELD", "type"]);
    expect(await appRefused(publishEvent(node, { ...event, topic: "room" }))).toEqual(["INVALID_FIELD", "topic"]);
    for (const ephemeral of [false, true]) {
      expect(await appRefused(publishEvent(node, { ...event, topic: "system/revocations", ephemeral }))).toEqual([
        "TOPIC_FORBIDDEN",
        "topic",
      ]);
      const deep = { toJSON: () => JSON.parse(`${"[".repeat(33)}${"]".repeat(33)}`) };
      expect(await appRefused(publishEvent(node, { ...event, data: { deep }, ephemeral }))).toEqual([
        "INVALID_FIELD",
        "data",
      ]);
    }
    expect(await appRefused(publishEvent(node, { ...event, actorId: "Ada" }))).toEqual(["INVALID_FIELD", "actorId"]);
    expect(await appRefused(publishEvent(node, { ...event, data: { x: "\0" } }))).toEqual(["NUL_IN_TEXT", "data"]);
    expect(await appRefused(publishEvent(node, { ...event, data: { x: "\ud800" } }))).toEqual(["INVALID_UTF8", "data"]);
    expect(await appRefused(publishEvent(node, { ...event, topic: "account/nobody" }))).toEqual([
      "ACCOUNT_NOT_FOUND",
      "topic",
    ]);
  });
});
