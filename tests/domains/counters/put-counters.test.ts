import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { setBlock } from "../connections/support.js";
import { bearer, curlRefused, openDatabase, operator, refused, upTo } from "../support.js";
import { appCounters, NOTHING, rowsOf, signUpAdmin, writeRow } from "./house.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { counters: appCounters() } });
});
beforeEach(async () => {
  [ada, ben] = [await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

type Values = Record<string, bigint>;
const put = async (counters: Values, { client } = ada) => (await client.counters.putCounters({ counters })).counters;
const shown = async ({ client } = ada, accountId = "") => (await client.counters.getCounters({ accountId })).counters;

it("sets what is given, and makes the others that are not derived 0", async () => {
  for (const name of ["like1", "msg_count", "gift1"]) await writeRow(backstay, ada, { name, value: 3n });
  expect(await put({ ping: 4n, coins: 5n })).toEqual({
    ...NOTHING,
    ping: 4n,
    coins: 5n,
    like1: 3n,
    msg_count: 3n,
    gift1: 3n,
  });
  const second = { ...NOTHING, score: -1n, like1: 3n, msg_count: 3n, gift1: 3n };
  expect(await put({ score: -1n })).toEqual(second);
  expect(await shown()).toEqual(second);
  expect((await rowsOf(backstay, ada)).counters).toMatchObject({ ping: "0", coins: "0", score: "-1" });
});

it("leaves what is declared no more as it is, for when it is declared again", async () => {
  await writeRow(backstay, ada, { name: "old_score", value: 3n });
  await openDatabase(backstay)`insert into backstay.withheld_counts (account_id, viewer_id, name, value)
    values (${ada.id}, ${ben.id}, 'old_score', 2)`;
  expect(await put({ ping: 4n })).toEqual({ ...NOTHING, ping: 4n });
  expect(await rowsOf(backstay, ada)).toEqual({
    counters: { ping: "4", old_score: "3" },
    withheld: [{ viewer: ben.id, name: "old_score", value: "2" }],
  });
});

it("with nothing makes all that are not derived 0", async () => {
  await put({ ping: 4n, coins: 5n });
  expect(await put({})).toEqual(NOTHING);
  expect(await shown()).toEqual(NOTHING);
});

it("answers derived counters as they are, in all their slots", async () => {
  await writeRow(backstay, ada, { name: "like1", value: 40n });
  await writeRow(backstay, ada, { name: "like1", slot: 3, value: 2n });
  expect(await put({ ping: 1n })).toMatchObject({ like1: 42n });
});

it("touches nobody else's", async () => {
  await put({ coins: 3n }, ben);
  await put({ coins: 8n });
  expect(await shown(ben)).toEqual({ ...NOTHING, coins: 3n });
});

it("is a PUT of /v1/counters, with numbers or text", async () => {
  const response = await fetch(`${backstay.url}/v1/counters`, {
    method: "PUT",
    headers: { ...bearer(ada.token), "content-type": "application/json" },
    body: '{"counters":{"ping":7,"coins":"9007199254740991"}}',
  });
  expect(await response.json()).toMatchObject({ counters: { ping: "7", coins: "9007199254740991", like0: "0" } });
});

it("of many at once ends with one of them whole, and nobody is refused", async () => {
  const names = ["ping", "score", "coins"];
  const puts = upTo(60).map((n) => put(Object.fromEntries(names.slice(n % 3).map((name) => [name, BigInt(n)]))));
  const raises = upTo(30).map((n) =>
    ada.client.counters.incrementCounters({ deltas: n % 2 ? { coins: 1n, ping: 1n } : { ping: 1n, score: 1n } }),
  );
  await Promise.all([...puts, ...raises]);
  await put({ score: 1n });
  expect(await shown()).toEqual({ ...NOTHING, score: 1n });
});

it("replaces also what somebody who is blocked has done", async () => {
  const sql = openDatabase(backstay);
  await setBlock(sql, ada.id, ben.id);
  await ben.client.counters.incrementCounters({ accountId: ada.id, deltas: { ping: 5n, score: 5n } });
  await sql`insert into backstay.withheld_counts (account_id, viewer_id, name, value)
    values (${ada.id}, ${ben.id}, 'follow1', 1)`;
  expect(await shown(ben, ada.id)).toEqual({ ping: 5n, score: 5n, follow1: 1n });
  await put({ score: 100n });
  expect(await shown(ben, ada.id)).toEqual({ ping: 0n, score: 100n, follow1: 1n });
});

describe("refused is", () => {
  it.each([
    ["like0", "PutConnection or DeleteConnections"],
    ["like1", "PutConnection or DeleteConnections"],
    ["follow1", "PutConnection or DeleteConnections"],
    ["gift0", "PutConnection or DeleteConnections"],
    ["msg_count", "SendMessage or DeleteMessages"],
    ["msg_read", "MarkRead"],
  ])("what follows rows, naming the verb that moves it: %s", async (name, verbs) => {
    const answered = put({ ping: 1n, [name]: 5n });
    expect(await refused(answered)).toEqual({
      code: "invalid_argument",
      reason: "DERIVED_COUNTER",
      fields: [`counters["${name}"]`],
    });
    await expect(answered).rejects.toThrow(`The counter ${name} follows rows; what moves it is ${verbs}.`);
    expect(await shown()).toEqual(NOTHING);
  });

  it.each([
    ["pnig", "ping"],
    ["Score", "score"],
    ["like", undefined],
    ["constructor", undefined],
    ["", undefined],
    ['"; drop', undefined],
  ])("what nobody declared, asking for one that is like it: %j", async (name, like) => {
    const answered = put({ ping: 1n, [name]: 5n });
    expect(await refused(answered)).toEqual({
      code: "invalid_argument",
      reason: "UNKNOWN_COUNTER",
      fields: [`counters[${JSON.stringify(name)}]`],
    });
    const question = like === undefined ? "." : `; did you mean ${like}?`;
    await expect(answered).rejects.toThrow(`There is no counter ${name}${question}`);
    expect(await shown()).toEqual(NOTHING);
  });

  it("what is declared no more", async () => {
    await writeRow(backstay, ada, { name: "old_score", value: 3n });
    expect(await refused(put({ old_score: 1n }))).toMatchObject({ reason: "UNKNOWN_COUNTER" });
  });

  it.each([
    ["one more than the largest", "9007199254740992"],
    ["one less than the smallest", "-9007199254740992"],
    ["the largest of 64 bits", "9223372036854775807"],
  ])("a value out of bounds: %s", async (_, value) => {
    expect(
      await curlRefused(backstay, "counters.v1.CounterService/PutCounters", { counters: { ping: value } }, ada.token),
    ).toEqual({ code: "invalid_argument", reason: "INVALID_FIELD", fields: ['counters["ping"]'] });
  });

  it.each([["1e308"], ["NaN"], ["1.5"], ["9223372036854775808"], [""], ["one"]])(
    "a value that is no whole number: %j",
    async (value) => {
      expect(
        await curlRefused(backstay, "counters.v1.CounterService/PutCounters", { counters: { ping: value } }, ada.token),
      ).toEqual({ code: "invalid_argument", reason: "WRONG_TYPE", fields: ["counters"] });
    },
  );

  it("more than 64, and names of more than 64 characters", async () => {
    const many = Object.fromEntries(upTo(65).map((n) => [`c${n}x`, 1n]));
    const outOfBounds = { code: "invalid_argument", reason: "INVALID_FIELD" };
    expect(await refused(put(many))).toEqual({ ...outOfBounds, fields: ["counters"] });
    const long = "x".repeat(64);
    expect(await refused(put({ [`${long}x`]: 1n }))).toEqual({ ...outOfBounds, fields: [`counters["${long}…"]`] });
  });

  it("who has no account, or no token", async () => {
    const by = (client: Person["client"]) => refused(client.counters.putCounters({ counters: { ping: 1n } }));
    expect(await by(operator(backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
    expect(await by(backstay.anonymous())).toMatchObject({ reason: "TOKEN_MISSING" });
  });
});

it("is for an administrator about his own as well", async () => {
  const admin = await signUpAdmin(backstay);
  expect(await put({ coins: 2n }, admin)).toEqual({ ...NOTHING, coins: 2n });
});
