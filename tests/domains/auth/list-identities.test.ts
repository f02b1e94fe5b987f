import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../support/backstay.js";
import { bearer, openDatabase } from "../support.js";
import { answered, pageCall, register } from "./passkey-house.js";
import { type ProviderHouse, returned, startProviderHouse } from "./provider-house.js";

let house: ProviderHouse;
let ada: Person;
beforeAll(async () => {
  house = await startProviderHouse();
  ada = await house.backstay.signUp();
  await register(house.backstay, ada.token, { name: "Ada's phone" });
  await pageCall(house.backstay, "LinkIdentity", await returned(house, "ada"), bearer(ada.token));
});
afterAll(() => house.stop());

const list = (token: string, body: object = {}) => pageCall(house.backstay, "ListIdentities", body, bearer(token));
const shown = ({ identities }: { identities: { kind: string; label: string }[] }) =>
  identities.map(({ kind, label }) => `${kind} ${label}`);

it("lists the ways in to the caller's account, oldest first, and nothing that proves them", async () => {
  const answer = answered(await list(ada.token));
  expect(shown(answer)).toEqual([`login ${ada.login}`, "passkey Ada's phone", "oidc Name of ada"]);
  expect(answer.identities[2].provider).toBe("acme");
  expect(JSON.stringify(answer)).not.toMatch(/publicKey|counter|issuer|secret_|argon2/);
});

it("lists a verified address", async () => {
  const ben = await house.backstay.signUp();
  const sql = openDatabase(house.backstay);
  await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at)
    values ('ffffffff-ffff-7fff-bfff-ffffffffffff', ${ben.id}::uuid, 'email', 'ben@example.com', 'Ben@example.com', now())`;
  expect(shown(answered(await list(ben.token)))).toEqual([`login ${ben.login}`, "email Ben@example.com"]);
});

it("goes on from page to page, of one account only", async () => {
  const first = answered(await list(ada.token, { pageSize: 2 }));
  const pageToken = first.nextPageToken;
  expect(shown(answered(await list(ada.token, { pageSize: 2, pageToken })))).toEqual(["oidc Name of ada"]);
  const other = await house.backstay.signUp();
  expect((await list(other.token, { pageToken })).reason).toBe("INVALID_PAGE_TOKEN");
});
