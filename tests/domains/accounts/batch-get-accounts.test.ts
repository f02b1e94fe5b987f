import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { operator, refused } from "../support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
let cleo: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  [ada, ben, cleo] = [await backstay.signUp(), await backstay.signUp(), await backstay.signUp()];
});
afterAll(() => backstay.stop());

const idsOf = async (ids: string[]) =>
  (await ada.client.accounts.batchGetAccounts({ ids })).accounts.map(({ id }) => id);

it("answers accounts in the order of the ids, each once", async () => {
  expect(await idsOf([cleo.id, ada.id, ben.id, cleo.id])).toEqual([cleo.id, ada.id, ben.id]);
});

it("leaves out ids that name no account", async () => {
  expect(await idsOf(["0190163d8694739b8b1fcb8dd4e60777", ben.id, "nobody", ""])).toEqual([ben.id]);
  expect(await idsOf(["nobody"])).toEqual([]);
});

it("takes me and ids with dashes", async () => {
  const dashed = ben.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  expect(await idsOf([dashed, ben.id, "me", ada.id])).toEqual([ben.id, ada.id]);
});

it("shows one's own account whole and of the others what is public", async () => {
  const { accounts } = await ada.client.accounts.batchGetAccounts({ ids: [ada.id, ben.id] });
  expect(accounts.map(({ login }) => login)).toEqual([ada.login, ""]);
  const seen = await operator(backstay).accounts.batchGetAccounts({ ids: [ada.id, ben.id] });
  expect(seen.accounts.map(({ login }) => login)).toEqual([ada.login, ben.login]);
});

it.each([
  ["none", []],
  ["more than a hundred", Array(101).fill("x")],
])("refuses %s", async (_, ids) => {
  expect(await refused(ada.client.accounts.batchGetAccounts({ ids }))).toEqual({
    code: "invalid_argument",
    reason: "INVALID_FIELD",
    fields: ["ids"],
  });
});

it("asks for a token", async () => {
  expect(await refused(backstay.anonymous().accounts.batchGetAccounts({ ids: [ada.id] }))).toMatchObject({
    reason: "TOKEN_MISSING",
  });
});
