import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer } from "../support.js";
import { answered, pageCall, register } from "./passkey-house.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
  for (const name of ["one", "two", "three"]) await register(backstay, ada.token, { name });
});
afterAll(() => backstay.stop());

const list = (person: Person, body: object = {}) => pageCall(backstay, "ListPasskeys", body, bearer(person.token));
const namesOf = ({ passkeys }: { passkeys: { name: string }[] }) => passkeys.map(({ name }) => name);

it("lists the caller's passkeys, oldest first, and nothing that signs", async () => {
  const answer = answered(await list(ada));
  expect(namesOf(answer)).toEqual(["one", "two", "three"]);
  for (const passkey of answer.passkeys) expect(Object.keys(passkey).sort()).toEqual(["createTime", "id", "name"]);
});

it("lists nobody else's", async () => {
  expect(answered(await list(await backstay.signUp()))).toEqual({});
});

it("goes on from page to page", async () => {
  const first = answered(await list(ada, { pageSize: 2 }));
  const second = answered(await list(ada, { pageSize: 2, pageToken: first.nextPageToken }));
  expect([namesOf(first), namesOf(second), second.nextPageToken]).toEqual([["one", "two"], ["three"], undefined]);
});

it("takes no page token of another account", async () => {
  const { nextPageToken: pageToken } = answered(await list(ada, { pageSize: 1 }));
  expect((await list(await backstay.signUp(), { pageToken })).reason).toBe("INVALID_PAGE_TOKEN");
});
