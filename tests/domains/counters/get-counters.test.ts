import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { setBlock } from "../connections/support.js";
import { bearer, openDatabase, operator, refused } from "../support.js";
import { appCounters, NOTHING, PUBLIC_NOTHING, signUpAdmin, writeRow } from "./house.js";

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

const shown = async ({ client }: Pick<Person, "client">, of?: Person) =>
  (await client.counters.getCounters(of === undefined ? {} : { accountId: of.id })).counters;

describe("one's own", () => {
  it("are all that are declared, and 0 when they were never raised", async () => {
    expect(await shown(ada)).toEqual(NOTHING);
    expect((await ada.client.counters.getCounters({ accountId: "me" })).counters).toEqual(NOTHING);
    expect(await shown(ada, ada)).toEqual(NOTHING);
  });

  it("are the sums of what is counted in several places", async () => {
    await writeRow(backstay, ada, { name: "like1", value: 40n });
    await writeRow(backstay, ada, { name: "like1", slot: 7, value: 5n });
    await writeRow(backstay, ada, { name: "like1", slot: 64, value: -3n });
    expect(await shown(ada)).toEqual({ ...NOTHING, like1: 42n });
  });

  it("are also those of other types of connections that there are, and nothing that is declared no more", async () => {
    await writeRow(backstay, ada, { name: "gift1", value: 3n });
    await writeRow(backstay, ada, { name: "gift1", slot: 9, value: -1n });
    await writeRow(backstay, ada, { name: "wave0", value: 1n });
    await writeRow(backstay, ada, { name: "wave0", slot: 2, value: -1n });
    await writeRow(backstay, ada, { name: "old_score", value: 9n });
    expect(await shown(ada)).toEqual({ ...NOTHING, gift1: 2n });
  });

  it("may be as large as a whole number of JavaScript, either way", async () => {
    await writeRow(backstay, ada, { name: "coins", value: 9_007_199_254_740_991n });
    await writeRow(backstay, ada, { name: "score", value: -9_007_199_254_740_991n });
    expect(await shown(ada)).toMatchObject({ coins: 9_007_199_254_740_991n, score: -9_007_199_254_740_991n });
  });
});

describe("those of others", () => {
  beforeEach(async () => {
    for (const name of ["coins", "follow1", "gift1", "like1", "score"]) {
      await writeRow(backstay, ben, { name, value: 7n });
    }
  });

  it("are the public ones, derived ones among them", async () => {
    expect(await shown(ada, ben)).toEqual({ ping: 0n, score: 7n, follow1: 7n });
    await writeRow(backstay, ada, { name: "coins", value: 1n });
    expect(await shown(ben, ada)).toEqual(PUBLIC_NOTHING);
  });

  it("are all to an administrator, and to the installation's command line", async () => {
    const all = { ...NOTHING, coins: 7n, follow1: 7n, gift1: 7n, like1: 7n, score: 7n };
    expect(await shown(admin, ben)).toEqual(all);
    expect(await shown({ client: operator(backstay) }, ben)).toEqual(all);
  });

  it("are at a path of their own, with numbers as text", async () => {
    const get = async (path: string) =>
      (await fetch(`${backstay.url}${path}`, { headers: bearer(ada.token) })).json() as Promise<object>;
    expect(await get(`/v1/accounts/${ben.id}/counters`)).toEqual({
      counters: { ping: "0", score: "7", follow1: "7" },
    });
    expect(await get("/v1/accounts/me/counters")).toEqual(await get("/v1/counters"));
    expect(await get("/v1/counters")).toMatchObject({ counters: { like0: "0", msg_count: "0" } });
  });
});

describe("with a block", () => {
  it("who is blocked sees what he does as done, before and after; nobody else sees anything of it", async () => {
    const cleo = await backstay.signUp();
    const sql = openDatabase(backstay);
    await ada.client.counters.incrementCounters({ accountId: ben.id, deltas: { ping: 2n } });
    await setBlock(sql, ben.id, ada.id);
    await ada.client.counters.incrementCounters({ accountId: ben.id, deltas: { ping: 3n, score: 1n } });
    expect(await shown(ada, ben)).toEqual({ ...PUBLIC_NOTHING, ping: 5n, score: 1n });
    for (const other of [cleo, admin]) expect(await shown(other, ben)).toMatchObject({ ping: 2n, score: 0n });
    expect(await shown(ben)).toEqual({ ...NOTHING, ping: 2n });
    await setBlock(sql, ben.id, ada.id, false);
    expect(await shown(ada, ben)).toEqual({ ...PUBLIC_NOTHING, ping: 5n, score: 1n });
  });
});

describe("an account that is not there", () => {
  const notFound = { code: "not_found", reason: "ACCOUNT_NOT_FOUND", fields: ["accountId"] };

  it.each(["0190163d8694739b8b1fcb8dd4e60777", "nobody", "' or true --", "Me"])("has none: %s", async (accountId) => {
    expect(await refused(ada.client.counters.getCounters({ accountId }))).toEqual(notFound);
  });

  it("has none any more as soon as it was deleted, also when they were just read", async () => {
    await shown(ada, ben);
    await ben.client.accounts.deleteAccount({ id: "me" });
    expect(await refused(shown(ada, ben))).toEqual(notFound);
  });
});

describe("the caller", () => {
  it("is signed in", async () => {
    expect(await refused(shown({ client: backstay.anonymous() }, ben))).toMatchObject({ reason: "TOKEN_MISSING" });
  });

  it("is an account when it is about the caller's own", async () => {
    expect(await refused(shown({ client: operator(backstay) }))).toMatchObject({
      code: "permission_denied",
      reason: "ACCOUNT_REQUIRED",
    });
  });
});
