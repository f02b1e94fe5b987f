import { fromJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CounterChangeSchema } from "#gen/backstay/counters/v1/counters_pb.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { auditOf } from "../audit.js";
import { setBlock } from "../connections/support.js";
import { type Stream, standingStream } from "../stream.js";
import { bearer, curlRefused, openDatabase, operator, refused, upTo } from "../support.js";
import { appCounters, NOTHING, PUBLIC_NOTHING, rowsOf, signUpAdmin, writeRow } from "./house.js";

let backstay: TestBackstay;
let admin: Person;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { counters: appCounters() } });
  admin = await signUpAdmin(backstay);
});
beforeEach(async () => {
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

type Values = Record<string, bigint>;
type Caller = Pick<Person, "client">;
const MOST = 9_007_199_254_740_991n;
const PATH = "counters.v1.CounterService/IncrementCounters";

const raise = async (deltas: Values, options: { by?: Caller; of?: Person; key?: string } = {}): Promise<Values> => {
  const { by = ada, of, key } = options;
  const request = { deltas, ...(of && { accountId: of.id }) };
  const answer = await by.client.counters.incrementCounters(request, key === undefined ? {} : { idempotencyKey: key });
  return answer.counters;
};
const shown = async (of: Person, by: Caller = of) =>
  (await by.client.counters.getCounters({ accountId: of.id })).counters;

describe("one's own counters", () => {
  it("rise by what is given, several at once, and are answered as they are then", async () => {
    expect(await raise({ ping: 3n, coins: 10n })).toEqual({ ping: 3n, coins: 10n });
    expect(await raise({ coins: -12n, score: 1n })).toEqual({ coins: -2n, score: 1n });
    expect(await shown(ada)).toEqual({ ...NOTHING, ping: 3n, coins: -2n, score: 1n });
    expect(await shown(ben)).toEqual(NOTHING);
  });

  it("are read by adding 0", async () => {
    expect(await raise({ ping: 0n })).toEqual({ ping: 0n });
    await raise({ ping: 5n });
    expect(await raise({ ping: 0n, coins: 1n })).toEqual({ ping: 5n, coins: 1n });
  });

  it("are named by no id, by me and by the id", async () => {
    for (const accountId of ["", "me", ada.id])
      await ada.client.counters.incrementCounters({ accountId, deltas: { coins: 1n } });
    expect(await shown(ada)).toMatchObject({ coins: 3n });
  });

  it("rise at a path of REST, by numbers or text", async () => {
    const response = await fetch(`${backstay.url}/v1/counters:increment`, {
      method: "POST",
      headers: { ...bearer(ada.token), "content-type": "application/json" },
      body: '{"deltas":{"ping":7,"coins":"-8"}}',
    });
    expect(await response.json()).toEqual({ counters: { ping: "7", coins: "-8" } });
  });
});

describe("a hundred at once", () => {
  const oneToHundred = upTo(100).map(BigInt);

  it("answer each another value, from 1 to 100", async () => {
    const answers = await Promise.all(upTo(100).map(() => raise({ ping: 1n })));
    expect(answers.map(({ ping }) => ping!).sort((a, b) => Number(a - b))).toEqual(oneToHundred);
    expect(await shown(ada)).toMatchObject({ ping: 100n });
  });

  it("do so for another account, and for who is blocked by it", async () => {
    for (const isBlocked of [false, true]) {
      await setBlock(openDatabase(backstay), ben.id, ada.id, isBlocked);
      const answers = await Promise.all(upTo(100).map(() => raise({ score: 1n }, { of: ben })));
      const first = isBlocked ? 100n : 0n;
      expect(answers.map(({ score }) => score! - first).sort((a, b) => Number(a - b))).toEqual(oneToHundred);
    }
    expect(await shown(ben)).toMatchObject({ score: 100n });
    expect(await shown(ben, ada)).toMatchObject({ score: 200n });
  });

  it("never wait for each other in a ring, whatever the order of their counters", async () => {
    const orders = [
      ["ping", "score", "coins"],
      ["coins", "ping"],
      ["score", "coins"],
      ["coins", "score", "ping"],
    ];
    await Promise.all(upTo(200).map((n) => raise(Object.fromEntries(orders[n % 4]!.map((name) => [name, 1n])))));
    expect(await shown(ada)).toEqual({ ...NOTHING, ping: 150n, score: 150n, coins: 200n });
  });
});

describe("counters of another account", () => {
  it("rise when they are public", async () => {
    expect(await raise({ ping: 2n, score: 3n }, { of: ben })).toEqual({ ping: 2n, score: 3n });
    expect(await shown(ben)).toEqual({ ...NOTHING, ping: 2n, score: 3n });
    expect(await shown(ada)).toEqual(NOTHING);
  });

  it("are refused when they are not, and none rises then", async () => {
    expect(await refused(raise({ ping: 1n, coins: 1n }, { of: ben }))).toEqual({
      code: "permission_denied",
      reason: "COUNTER_FORBIDDEN",
      fields: ['deltas["coins"]'],
    });
    expect(await shown(ben)).toEqual(NOTHING);
  });

  it("stand in the audit log when an administrator raises what only he may, and when he does what anyone may they do not", async () => {
    await raise({ score: 1n }, { by: admin, of: ben });
    expect(await auditOf(backstay, ben.id, "admin.called")).toEqual([]);
    for (const _ of upTo(2))
      await raise({ coins: 1_000_000n, score: 1n }, { by: admin, of: ben, key: `rich-${ben.id}` });
    await refused(raise({ coins: MOST }, { by: admin, of: ben }));
    const method = "backstay.counters.v1.CounterService/IncrementCounters";
    expect(await auditOf(backstay, ben.id, "admin.called")).toEqual([
      { actorId: admin.id, detail: { method, id: ben.id } },
    ]);
  });

  it("are an administrator's to raise, and the installation's command line's, whichever they are", async () => {
    expect(await raise({ coins: 4n, ping: 1n }, { by: admin, of: ben })).toEqual({ coins: 4n, ping: 1n });
    expect(await raise({ coins: 4n }, { by: { client: operator(backstay) }, of: ben })).toEqual({ coins: 8n });
    expect(await shown(ben)).toEqual({ ...NOTHING, coins: 8n, ping: 1n });
  });

  it("are not there when the account is not", async () => {
    const notFound = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["accountId"] };
    await ben.client.accounts.deleteAccount({ id: "me" });
    for (const id of [ben.id, "0190163d8694739b8b1fcb8dd4e60777", "nobody"]) {
      expect(await refused(raise({ ping: 1n }, { of: { ...ben, id } }))).toEqual(notFound);
      expect(await refused(raise({ ping: 1n }, { of: { ...ben, id }, key: "k" }))).toEqual(notFound);
    }
  });

  it("are left nowhere when the account is deleted meanwhile", async () => {
    await raise({ ping: 1n }, { of: ben });
    const raises = upTo(40).map((n) =>
      raise(n % 2 ? { ping: 1n, score: 1n } : { score: 1n }, { of: ben }).catch((error) => error.reason),
    );
    await ben.client.accounts.deleteAccount({ id: "me" });
    for (const answer of await Promise.all(raises)) {
      if (typeof answer === "string") expect(answer).toBe("ACCOUNT_NOT_FOUND");
    }
    expect((await rowsOf(backstay, ben)).counters).toEqual({});
  });
});

describe("refused is", () => {
  it.each([
    ["like0", "PutConnection or DeleteConnections"],
    ["follow1", "PutConnection or DeleteConnections"],
    ["gift0", "PutConnection or DeleteConnections"],
    ["msg_count", "SendMessage or DeleteMessages"],
    ["msg_read", "MarkRead"],
  ])("what follows rows, for everybody, naming the verb that moves it: %s", async (name, verbs) => {
    for (const [by, of] of [
      [ada, ada],
      [ada, ben],
      [admin, ben],
    ] as const) {
      const answered = raise({ ping: 1n, [name]: 1n }, { by, of });
      expect(await refused(answered)).toEqual({
        code: "invalid_argument",
        reason: "DERIVED_COUNTER",
        fields: [`deltas["${name}"]`],
      });
      await expect(answered).rejects.toThrow(`The counter ${name} follows rows; what moves it is ${verbs}.`);
    }
    expect([await shown(ada), await shown(ben)]).toEqual([NOTHING, NOTHING]);
  });

  it.each(["pong", "Ping", "hasOwnProperty", "a;drop", ""])("what nobody declared: %j", async (name) => {
    expect(await refused(raise({ ping: 1n, [name]: 1n }))).toEqual({
      code: "invalid_argument",
      reason: "UNKNOWN_COUNTER",
      fields: [`deltas[${JSON.stringify(name)}]`],
    });
    expect(await shown(ada)).toEqual(NOTHING);
  });

  it("what is the name of a prototype", async () => {
    const body = '{"deltas":{"ping":"1","__proto__":"1"}}';
    const answer = await fetch(`${backstay.url}/backstay.${PATH}`, {
      method: "POST",
      headers: { ...bearer(ada.token), "content-type": "application/json" },
      body,
    });
    expect(answer.status).toBe(400);
    expect(await shown(ada)).toEqual(NOTHING);
  });

  it.each([
    ["nothing", {}, "deltas"],
    ["one more than the largest", { ping: "9007199254740992" }, 'deltas["ping"]'],
    ["one less than the smallest", { ping: "-9007199254740992" }, 'deltas["ping"]'],
    ["the largest of 64 bits", { ping: "9223372036854775807" }, 'deltas["ping"]'],
    ["a name of 65 characters", { ["x".repeat(65)]: "1" }, `deltas["${"x".repeat(64)}…"]`],
    ["65 of them", Object.fromEntries(upTo(65).map((n) => [`c${n}x`, "1"])), "deltas"],
  ])("what is out of bounds: %s", async (_, deltas, field) => {
    expect(await curlRefused(backstay, PATH, { deltas }, ada.token)).toEqual({
      code: "invalid_argument",
      reason: "INVALID_FIELD",
      fields: [field],
    });
    expect(await shown(ada)).toEqual(NOTHING);
  });

  it.each([["1e308"], ["NaN"], [1.5], ["Infinity"], ["9223372036854775808"], [true], [{}]])(
    "what is no whole number: %j",
    async (ping) => {
      expect(await curlRefused(backstay, PATH, { deltas: { ping } }, ada.token)).toMatchObject({
        code: "invalid_argument",
        fields: ["deltas"],
      });
      expect(await shown(ada)).toEqual(NOTHING);
    },
  );

  it("who has no account of his own, or no token", async () => {
    expect(await refused(raise({ ping: 1n }, { by: { client: operator(backstay) } }))).toMatchObject({
      reason: "ACCOUNT_REQUIRED",
    });
    expect(await refused(raise({ ping: 1n }, { by: { client: backstay.anonymous() }, of: ben }))).toMatchObject({
      reason: "TOKEN_MISSING",
    });
  });
});

describe("a sum out of bounds", () => {
  const outOfRange = (name: string) => ({
    code: "invalid_argument",
    reason: "COUNTER_OUT_OF_RANGE",
    fields: [`deltas["${name}"]`],
  });

  it("is refused, naming the counter, and nothing is written", async () => {
    expect(await raise({ ping: MOST, coins: -MOST })).toEqual({ ping: MOST, coins: -MOST });
    expect(await refused(raise({ score: 1n, ping: 1n }))).toEqual(outOfRange("ping"));
    expect(await refused(raise({ score: 1n, ping: MOST }))).toEqual(outOfRange("ping"));
    expect(await refused(raise({ score: 1n, ping: -1n, coins: -1n }))).toEqual(outOfRange("coins"));
    expect(await shown(ada)).toEqual({ ...NOTHING, ping: MOST, coins: -MOST });
    expect(await raise({ ping: -1n, coins: 1n })).toEqual({ ping: MOST - 1n, coins: 1n - MOST });
  });

  it("is refused of two that are the first and come at once", async () => {
    const both = await Promise.allSettled([raise({ ping: MOST }), raise({ ping: MOST })]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await shown(ada)).toMatchObject({ ping: MOST });
  });

  it("of another account is refused alike to who is blocked", async () => {
    await writeRow(backstay, ben, { name: "score", value: MOST - 5n });
    await setBlock(openDatabase(backstay), ben.id, ada.id);
    for (const caller of [ada, admin]) {
      expect(await refused(raise({ ping: 1n, score: 6n }, { by: caller, of: ben }))).toEqual(outOfRange("score"));
      expect(await raise({ score: 5n }, { by: caller, of: ben })).toEqual({ score: MOST });
      expect(await refused(raise({ score: 1n }, { by: caller, of: ben }))).toEqual(outOfRange("score"));
      expect(await raise({ score: -5n }, { by: caller, of: ben })).toEqual({ score: MOST - 5n });
    }
    expect((await rowsOf(backstay, ben)).counters).toEqual({ score: String(MOST - 5n) });
  });
});

describe("with an idempotency key", () => {
  it("a repeat adds nothing, and answers the counters as they are by then", async () => {
    expect(await raise({ coins: 5n }, { key: "first" })).toEqual({ coins: 5n });
    await raise({ coins: 2n });
    expect(await raise({ coins: 5n }, { key: "first" })).toEqual({ coins: 7n });
    expect(await raise({ coins: 5n }, { key: "second" })).toEqual({ coins: 12n });
  });

  it("twenty at once add once, to another account too, and tell it once", async () => {
    const stream = await standingStream(backstay, ben.token);
    const answers = await Promise.all(upTo(20).map(() => raise({ ping: 5n }, { of: ben, key: "once" })));
    expect(answers).toEqual(answers.map(() => ({ ping: 5n })));
    expect(await eventsUntilMarker(stream, ben)).toHaveLength(1);
  });

  it("another request of the same key is refused", async () => {
    await raise({ coins: 5n }, { key: "same" });
    const mismatch = { reason: "IDEMPOTENCY_MISMATCH" };
    expect(await refused(raise({ coins: 6n }, { key: "same" }))).toMatchObject(mismatch);
    expect(await refused(raise({ ping: 1n }, { of: ben, key: "same" }))).toMatchObject(mismatch);
    expect([await shown(ada), await shown(ben)]).toEqual([{ ...NOTHING, coins: 5n }, NOTHING]);
  });

  it("what was refused has not used the key", async () => {
    await raise({ coins: MOST });
    expect(await refused(raise({ coins: 1n }, { key: "again" }))).toMatchObject({ reason: "COUNTER_OUT_OF_RANGE" });
    await raise({ coins: -1n });
    expect(await raise({ coins: 1n }, { key: "again" })).toEqual({ coins: MOST });
  });

  it("who is blocked is answered alike", async () => {
    await setBlock(openDatabase(backstay), ben.id, ada.id);
    for (const _ of upTo(3)) expect(await raise({ ping: 5n }, { of: ben, key: "blocked" })).toEqual({ ping: 5n });
    expect(await shown(ben, ada)).toEqual({ ...PUBLIC_NOTHING, ping: 5n });
    expect(await shown(ben)).toEqual(NOTHING);
  });
});

/** What a stream says before an event that its owner publishes now. */
async function eventsUntilMarker(stream: Stream, owner: Person) {
  await owner.client.events.publish({ type: "test.marker" });
  const events = [];
  for (;;) {
    const event = await stream.event();
    if (event.type === "test.marker") return events;
    events.push(event);
  }
}

describe("the event", () => {
  it("tells the other account alone what was added, and what the counters have become", async () => {
    await raise({ ping: 40n }, { by: ben });
    const [own, others] = [await standingStream(backstay, ada.token), await standingStream(backstay, ben.token)];
    await raise({ ping: 2n, score: -1n }, { of: ben });
    const [event, ...more] = await eventsUntilMarker(others, ben);
    expect(event).toMatchObject({ type: "counter.incr", path: "/counter/incr", actorId: ada.id });
    expect(event!.data).toEqual({ deltas: { ping: "2", score: "-1" }, counters: { ping: "42", score: "-1" } });
    expect(fromJson(CounterChangeSchema, event!.data as never)).toMatchObject({ deltas: { ping: 2n, score: -1n } });
    expect([more, await eventsUntilMarker(own, ada)]).toEqual([[], []]);
  });

  it("has no actor when the installation's command line does it", async () => {
    const stream = await standingStream(backstay, ben.token);
    await raise({ coins: 2n }, { by: { client: operator(backstay) }, of: ben });
    const [event] = await eventsUntilMarker(stream, ben);
    expect(event).toMatchObject({ data: { deltas: { coins: "2" }, counters: { coins: "2" } } });
    expect(event!.actorId ?? "").toBe("");
  });

  it("is none of what one does oneself, of nothing added, of what is refused, nor of who is blocked", async () => {
    const stream = await standingStream(backstay, ben.token);
    await raise({ ping: 1n }, { by: ben });
    await raise({ ping: 0n, score: 0n }, { of: ben });
    await refused(raise({ ping: 1n, coins: 1n }, { of: ben }));
    await setBlock(openDatabase(backstay), ben.id, ada.id);
    await raise({ ping: 1n }, { of: ben });
    expect(await eventsUntilMarker(stream, ben)).toEqual([]);
  });
});

describe("who is blocked", () => {
  beforeEach(async () => {
    await raise({ score: 10n }, { of: ben });
    await setBlock(openDatabase(backstay), ben.id, ada.id);
  });

  it("is answered as if it were done, and it is counted for him alone", async () => {
    expect(await raise({ score: 5n, ping: 1n }, { of: ben })).toEqual({ score: 15n, ping: 1n });
    expect(await raise({ score: -2n }, { of: ben })).toEqual({ score: 13n });
    expect(await raise({ score: 100n }, { by: ben })).toEqual({ score: 110n });
    expect(await raise({ score: 1n }, { of: ben })).toEqual({ score: 114n });
    expect(await rowsOf(backstay, ben)).toEqual({
      counters: { score: "110" },
      withheld: [
        { viewer: ada.id, name: "ping", value: "1" },
        { viewer: ada.id, name: "score", value: "4" },
      ],
    });
  });

  it("goes on from what he sees when the block is lifted, and then it counts for all", async () => {
    await raise({ score: 5n }, { of: ben });
    await setBlock(openDatabase(backstay), ben.id, ada.id, false);
    expect(await raise({ score: 1n }, { of: ben })).toEqual({ score: 16n });
    expect(await shown(ben)).toMatchObject({ score: 11n });
  });

  it("is refused what everybody is refused", async () => {
    expect(await refused(raise({ coins: 1n }, { of: ben }))).toMatchObject({ reason: "COUNTER_FORBIDDEN" });
    expect(await refused(raise({ like1: 1n }, { of: ben }))).toMatchObject({ reason: "DERIVED_COUNTER" });
  });

  it("raises as an administrator what only he may, block or not: that is no person's to refuse", async () => {
    await setBlock(openDatabase(backstay), ben.id, admin.id);
    expect(await raise({ coins: -3n }, { by: admin, of: ben })).toEqual({ coins: -3n });
    expect(await raise({ score: 1n }, { by: admin, of: ben })).toEqual({ score: 11n });
    expect(await shown(ben)).toEqual({ ...NOTHING, coins: -3n, score: 10n });
  });
});
