import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { operator, upTo } from "../support.js";

let backstay: TestBackstay;
/** Ada blocks Ben; nobody has anything against Cleo. */
let ada: Person;
let ben: Person;
let cleo: Person;
beforeAll(async () => {
  backstay = await startBackstay();
});
beforeEach(async () => {
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
  await ada.client.connections.block({ peerId: ben.id });
});
afterAll(() => backstay.stop());

type Request = NonNullable<Parameters<Person["client"]["accounts"]["listAccounts"]>[0]>;

/** Which of the three a search finds. */
async function found(by: Person["client"], request: Request = {}): Promise<Person[]> {
  const { accounts } = await by.accounts.listAccounts({ pageSize: 500, ...request });
  return [ada, ben, cleo].filter(({ id }) => accounts.some((account) => account.id === id));
}
const named = (who: Person) => [
  { column: "name", op: "eq", values: [{ kind: { case: "stringValue", value: `Name of ${who.login}` } as const }] },
];

describe("a search", () => {
  it("leaves out whom the caller has blocked, until the block is lifted", async () => {
    expect(await found(ada.client)).toEqual([ada, cleo]);
    expect(await found(ada.client, { filters: named(ben) })).toEqual([]);
    expect(await found(ada.client, { sort: "name", descending: true })).toEqual([ada, cleo]);
    await ada.client.connections.unblock({ peerId: ben.id });
    expect(await found(ada.client)).toEqual([ada, ben, cleo]);
  });

  it("by somebody who is blocked finds who has blocked him, and so does everybody else's", async () => {
    expect(await found(ben.client)).toEqual([ada, ben, cleo]);
    expect(await found(ben.client, { filters: named(ada) })).toEqual([ada]);
    expect(await found(cleo.client)).toEqual([ada, ben, cleo]);
  });

  it("has pages as full as if who is blocked were not there", async () => {
    const strangers = await Promise.all(upTo(3).map(() => backstay.signUp()));
    await ada.client.connections.block({ peerId: strangers[1]!.id });
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await ada.client.accounts.listAccounts({ pageSize: 2, descending: true, pageToken });
      if (page.nextPageToken !== "") expect(page.accounts).toHaveLength(2);
      seen.push(...page.accounts.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).not.toContain(ben.id);
    expect(seen).not.toContain(strangers[1]!.id);
    expect(seen).toEqual(expect.arrayContaining([ada.id, cleo.id, strangers[0]!.id, strangers[2]!.id]));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it("by an administrator is administration: it leaves out nobody", async () => {
    await operator(backstay).auth.grantRole({ id: ada.id, role: "admin" });
    expect(await found(ada.client)).toEqual([ada, ben, cleo]);
    expect(await found(operator(backstay))).toEqual([ada, ben, cleo]);
  });
});

it("who is blocked can still be read by id", async () => {
  expect((await ada.client.accounts.getAccount({ id: ben.id })).account?.name).toBe(`Name of ${ben.login}`);
  const { accounts } = await ada.client.accounts.batchGetAccounts({ ids: [ben.id, cleo.id] });
  expect(accounts.map(({ id }) => id)).toEqual([ben.id, cleo.id]);
});
