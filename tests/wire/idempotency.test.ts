import { fromBinary, type JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AccountService } from "#gen/backstay/accounts/v1/accounts_pb.js";
import { ConnectionService } from "#gen/backstay/connections/v1/connections_pb.js";
import { CounterService } from "#gen/backstay/counters/v1/counters_pb.js";
import type { Event } from "#gen/backstay/events/v1/events_pb.js";
import { HistoryService } from "#gen/backstay/history/v1/history_pb.js";
import { MessageService, SendMessageRequestSchema } from "#gen/backstay/messages/v1/messages_pb.js";
import { upTo } from "../domains/support.js";
import { type Attempt, attempt, DOORS } from "../rpc/doors.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

// What an idempotency key promises holds whichever doors the repeats come by: the key is the caller's and the method's.

const { sendMessage } = MessageService.method;
const { createAccount } = AccountService.method;
const { putConnection } = ConnectionService.method;
const { incrementCounters } = CounterService.method;
const { appendHistory } = HistoryService.method;
const doors = DOORS.filter(({ name }) => !name.includes("GET"));

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(() => backstay.stop());

const message = (text: string, key: string): Attempt => ({
  ...attempt(sendMessage, { recipientId: ben.id, text }),
  token: ada.token,
  headers: { "idempotency-key": key },
});
const received = async () => (await ben.client.messages.listMessages({})).messages.map(({ text }) => text);

it("a repeat by every other door is answered as done, and nothing is done again", async () => {
  for (const door of doors) {
    const outcome = await door.call(backstay.url, message("Once", "key"));
    expect(outcome, door.name).toMatchObject({ code: "", http: 200 });
  }
  expect(await received()).toEqual(["Once"]);
});

it("all doors at the same time are one message", async () => {
  const calls = upTo(5).flatMap(() => doors.map((door) => door.call(backstay.url, message("At once", "key"))));
  const outcomes = await Promise.all(calls);
  expect(new Set(outcomes.map(({ code }) => code))).toEqual(new Set([""]));
  expect(await received()).toEqual(["At once"]);
});

it("another request with the key is refused at every door", async () => {
  await doors[0]!.call(backstay.url, message("Once", "key"));
  for (const door of doors) {
    const { code, reason } = await door.call(backstay.url, message("Changed", "key"));
    expect([code, reason], door.name).toEqual(["failed_precondition", "IDEMPOTENCY_MISMATCH"]);
  }
  expect(await received()).toEqual(["Once"]);
});

it("the order of fields and the form of the body make no other request", async () => {
  const [json] = doors;
  const sent = (text: string): Attempt => ({ ...message("x", "key"), json: Buffer.from(text) });
  for (const text of [
    `{"recipientId":"${ben.id}","text":"Once"}`,
    `{ "text": "\\u004fnce", "recipientId": "${ben.id}" }`,
    `{"recipient_id":"${ben.id}","text":"Once"}`,
  ]) {
    expect(await json!.call(backstay.url, sent(text))).toMatchObject({ code: "" });
  }
  const binary = doors.find(({ name }) => name === "Connect binary")!;
  expect(await binary.call(backstay.url, message("Once", "key"))).toMatchObject({ code: "" });
  expect(fromBinary(SendMessageRequestSchema, message("Once", "key").binary!).text).toBe("Once");
  expect(await received()).toEqual(["Once"]);
});

it("one key serves two methods, each once", async () => {
  const person: JsonObject = { login: `made by ${ada.id}`, secret: "correct horse", name: "Made" };
  const account: Attempt = {
    ...attempt(createAccount, person),
    token: ada.token,
    headers: { "idempotency-key": "key" },
  };
  for (const door of doors) {
    expect(await door.call(backstay.url, message("Once", "key")), door.name).toMatchObject({ code: "" });
    expect(await door.call(backstay.url, account), door.name).toMatchObject({ code: "" });
  }
  expect(await received()).toEqual(["Once"]);
});

it("without a key every call is one of its own", async () => {
  const { headers: _, ...plain } = message("Again", "");
  for (const door of doors) await door.call(backstay.url, plain);
  expect(await received()).toEqual(doors.map(() => "Again"));
});

/** The events of a kind that Ben was told of: all that were committed before a message that is sent now. */
async function toldBen(kind: string) {
  const { message: last } = await ada.client.messages.sendMessage({ recipientId: ben.id, text: "The last" });
  const told: Event[] = [];
  for (let cursor = "earliest"; ; ) {
    const types = [`${kind}.*`, "message.*"];
    const page = await ben.client.events.poll({ afterCursor: cursor, types, gather: { seconds: 0n } });
    cursor = page.cursor;
    told.push(...page.events);
    if (page.events.some(({ data }) => JSON.stringify(data).includes(last!.id))) break;
  }
  return told.filter(({ type }) => type.startsWith(`${kind}.`));
}

/** What else is done once for a key: the call, another one that must not take its key, and how often it was done. */
const CHANGES: [name: string, (n: number) => Attempt, done: () => Promise<number>][] = [
  [
    "PutConnection with create_only",
    (n) => attempt(putConnection, { peerId: ben.id, type: "like", createOnly: true, properties: { n } }),
    async () => {
      const { connections } = await ada.client.connections.listConnections();
      const { counters } = await ada.client.counters.getCounters();
      const told = (await toldBen("connection")).filter(({ actorId }) => actorId === ada.id);
      expect([counters.like0, told.length]).toEqual([BigInt(connections.length), connections.length]);
      return connections.length;
    },
  ],
  [
    "PutConnection",
    (n) => attempt(putConnection, { peerId: ben.id, type: "follow", properties: { n } }),
    async () =>
      (await toldBen("connection")).filter(({ data }) => (data as { type?: string }).type === "follow").length,
  ],
  [
    "IncrementCounters",
    (n) => attempt(incrementCounters, { accountId: ben.id, deltas: { ping: String(n) } }),
    async () => {
      const events = await toldBen("counter");
      const { counters } = await ben.client.counters.getCounters();
      expect(counters.ping).toBe(BigInt(events.length));
      return events.length;
    },
  ],
  [
    "AppendHistory",
    (n) => attempt(appendHistory, { type: "entry", data: { n } }),
    async () => (await ada.client.history.listHistory()).entries.length,
  ],
];

describe.each(CHANGES)("%s", (_, change, done) => {
  const keyed = (n: number): Attempt => ({ ...change(n), token: ada.token, headers: { "idempotency-key": "key" } });
  const takers = () => doors.filter((door) => door.takes(keyed(1)));

  it("is done once by all doors, one after the other and at the same time", async () => {
    expect(takers().length).toBeGreaterThan(5);
    const first = upTo(3).flatMap(() => takers().map((door) => door.call(backstay.url, keyed(1))));
    for (const outcome of await Promise.all(first)) expect(outcome).toMatchObject({ code: "", http: 200 });
    for (const door of takers()) {
      expect(await door.call(backstay.url, keyed(1)), door.name).toMatchObject({ code: "", http: 200 });
    }
    expect(await done()).toBe(1);
  });

  it("is refused with the key of another request, and that one stands", async () => {
    const [json] = takers();
    await json!.call(backstay.url, keyed(1));
    for (const door of takers()) {
      const { code, reason } = await door.call(backstay.url, keyed(2));
      expect([code, reason], door.name).toEqual(["failed_precondition", "IDEMPOTENCY_MISMATCH"]);
    }
    expect(await done()).toBe(1);
  });

  it("that was refused leaves its key free", async () => {
    const [json] = takers();
    const { json: body } = keyed(1);
    const broken = Buffer.from(
      body!
        .toString()
        .replace(ben.id, "nobody")
        .replace('"entry"', `"${"x".repeat(129)}"`),
    );
    const refused = await json!.call(backstay.url, { ...keyed(1), json: broken });
    expect(["not_found", "invalid_argument"]).toContain(refused.code);
    expect(await json!.call(backstay.url, keyed(1))).toMatchObject({ code: "" });
    expect(await done()).toBe(1);
  });

  it("is of its own account: somebody else's key does not answer for it", async () => {
    const [json] = takers();
    const eve = await backstay.signUp();
    expect(await json!.call(backstay.url, { ...keyed(1), token: eve.token })).toMatchObject({ code: "" });
    const before = await done();
    expect(await json!.call(backstay.url, keyed(1))).toMatchObject({ code: "" });
    expect((await done()) - before).toBe(1);
  });
});
