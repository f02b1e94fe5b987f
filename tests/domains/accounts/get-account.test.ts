import { afterAll, beforeAll, expect, it } from "vitest";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, operator, refused } from "../support.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
  ben = await backstay.signUp();
  const account = { email: "ada@example.org", phone: "1", gender: "f", birthday: "1815-12-10", address: "London" };
  const paths = ["email", "phone", "gender", "birthday", "address"];
  await ada.client.accounts.updateAccount({ account, updateMask: { paths } });
});
afterAll(() => backstay.stop());

it("shows one's own account whole", async () => {
  const { account } = await ada.client.accounts.getAccount({ id: ada.id });
  expect(account).toMatchObject({
    id: ada.id,
    login: ada.login,
    name: `Name of ${ada.login}`,
    alias: `Name of ${ada.login}`,
    email: "ada@example.org",
    phone: "1",
    gender: "f",
    birthday: "1815-12-10",
    address: "London",
    roles: [],
  });
});

it("knows one's own account also by nothing and by me", async () => {
  const own = await ada.client.accounts.getAccount({ id: ada.id });
  expect(await ada.client.accounts.getAccount({})).toEqual(own);
  expect(await ada.client.accounts.getAccount({ id: "me" })).toEqual(own);
});

it("shows of someone else's account id, name, alias and times, and nothing more", async () => {
  const { json } = await call(backstay.url, "accounts.v1.AccountService/GetAccount", { id: ada.id }, bearer(ben.token));
  expect(Object.keys(json.account as object).sort()).toEqual(["alias", "createTime", "id", "name", "updateTime"]);
  expect(json.account).toMatchObject({ id: ada.id, name: `Name of ${ada.login}` });
});

it("shows an administrator every account whole", async () => {
  const { account } = await operator(backstay).accounts.getAccount({ id: ada.id });
  expect(account).toMatchObject({ login: ada.login, email: "ada@example.org" });
});

it("takes an id with dashes and in capitals, as a UUID is often written", async () => {
  const dashed = ada.id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  for (const id of [dashed, dashed.toUpperCase(), ada.id.toUpperCase()]) {
    expect((await ben.client.accounts.getAccount({ id })).account?.id).toBe(ada.id);
  }
});

it.each([
  ["of nobody", "0190163d8694739b8b1fcb8dd4e60777"],
  ["that is a word", "ada"],
  ["that is too short", "0190163d"],
  ["that looks like SQL", "' or '1'='1"],
  ["of a path", "../../etc/passwd"],
])("answers not found for an id %s", async (_, id) => {
  expect(await refused(ada.client.accounts.getAccount({ id }))).toEqual({
    code: "not_found",
    reason: "ACCOUNT_NOT_FOUND",
    fields: ["id"],
  });
});

it("refuses an id of more than 64 characters", async () => {
  expect(await refused(ada.client.accounts.getAccount({ id: "a".repeat(65) }))).toEqual({
    code: "invalid_argument",
    reason: "INVALID_FIELD",
    fields: ["id"],
  });
});

it("asks for a token", async () => {
  expect(await refused(backstay.anonymous().accounts.getAccount({ id: ada.id }))).toEqual({
    code: "unauthenticated",
    reason: "TOKEN_MISSING",
    fields: [],
  });
});

it("knows no own account of the installation's command line", async () => {
  expect(await refused(operator(backstay).accounts.getAccount({ id: "me" }))).toMatchObject({
    code: "permission_denied",
    reason: "ACCOUNT_REQUIRED",
  });
});

it("can be asked by GET", async () => {
  const message = encodeURIComponent(JSON.stringify({ id: ben.id }));
  const url = `${backstay.url}/backstay.accounts.v1.AccountService/GetAccount?connect=v1&encoding=json&message=${message}`;
  const response = await fetch(url, { headers: bearer(ada.token) });
  expect(await response.json()).toMatchObject({ account: { id: ben.id } });
});
