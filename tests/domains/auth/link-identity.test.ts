import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../support/backstay.js";
import { bearer, openDatabase } from "../support.js";
import { answered, auditOf, pageCall } from "./passkey-house.js";
import { type ProviderHouse, returned, signInAt, startProviderHouse } from "./provider-house.js";

let house: ProviderHouse;
beforeAll(async () => {
  house = await startProviderHouse();
});
afterAll(() => house.stop());

const link = (token: string, body: object) => pageCall(house.backstay, "LinkIdentity", body, bearer(token));
const person = (): Promise<Person> => house.backstay.signUp();

it("links an identity to the caller's account, which it signs in to from then on", async () => {
  const ada = await person();
  const { identity } = answered(await link(ada.token, await returned(house, "ada")));
  expect(identity).toMatchObject({ kind: "oidc", provider: "acme", label: "Name of ada" });
  expect(await auditOf(house.backstay, "identity.linked", ada.id)).toEqual([
    { kind: "oidc", identity: identity.id, provider: "acme" },
  ]);
  const { account, created } = answered(await signInAt(house, "ada"));
  expect([account.id, created ?? false]).toEqual([ada.id, false]);
});

it("is told to the account's address by mail, if that is verified", async () => {
  const sql = openDatabase(house.backstay);
  const told = () => sql`select args->>'added' as added from backstay.jobs where name = 'backstay.accounts.tell_added'`;
  const [fay, gil] = [await person(), await person()];
  await sql`update backstay.accounts set email = 'fay@example.com', email_verified_at = now() where id = ${fay.id}`;
  expect((await link(gil.token, await returned(house, "gil"))).status).toBe(200);
  expect(await told()).toHaveLength(0);
  expect((await link(fay.token, await returned(house, "fay"))).status).toBe(200);
  expect([...(await told())]).toEqual([{ added: "identity" }]);
});

it("is finished by another sign-in where the one before is too old, with what the provider gave", async () => {
  const sql = openDatabase(house.backstay);
  const hal = await person();
  await sql`update backstay.devices set created_at = now() - interval '16 minutes' where account_id = ${hal.id}`;
  const gave = await returned(house, "hal");
  expect((await link(hal.token, gave)).reason).toBe("RECENT_SIGN_IN_REQUIRED");
  const { login, secret } = hal;
  const { tokens } = answered(await pageCall(house.backstay, "SignIn", { login, secret }));
  expect((await link(tokens.accessToken, gave)).status).toBe(200);
});

it("is refused for an identity that is linked already, to whomever", async () => {
  const [ben, cleo] = [await person(), await person()];
  expect((await link(ben.token, await returned(house, "ben"))).status).toBe(200);
  for (const { token } of [cleo, ben]) {
    expect((await link(token, await returned(house, "ben"))).reason).toBe("IDENTITY_TAKEN");
  }
});

it("links an identity to one of two that ask at once", async () => {
  const [dora, eve] = [await person(), await person()];
  const bodies = [await returned(house, "shared"), await returned(house, "shared")];
  const replies = await Promise.all([link(dora.token, bodies[0]!), link(eve.token, bodies[1]!)]);
  expect(replies.map(({ status, reason }) => reason ?? status).sort()).toEqual([200, "IDENTITY_TAKEN"]);
});

it("makes an anonymous account one that can be signed in to again", async () => {
  const { account, tokens } = answered(await pageCall(house.backstay, "SignInAnonymously"));
  expect((await link(tokens.accessToken, await returned(house, "guest"))).status).toBe(200);
  const { identities } = answered(await pageCall(house.backstay, "ListIdentities", {}, bearer(tokens.accessToken)));
  expect(identities.map(({ kind }: { kind: string }) => kind)).toEqual(["oidc"]);
  expect(answered(await signInAt(house, "guest")).account.id).toBe(account.id);
});

it("is for whoever is signed in, and has begun", async () => {
  const [fay, gil] = [await person(), await returned(house, "gil")];
  expect((await pageCall(house.backstay, "LinkIdentity", gil)).reason).toBe("TOKEN_MISSING");
  expect((await link(fay.token, { ...gil, flowToken: "" })).reason).toBe("CHALLENGE_GONE");
  expect((await link(fay.token, { ...gil, code: "nonsense" })).reason).toBe("PROVIDER_REFUSED");
  expect((await link(fay.token, gil)).reason).toBe("CHALLENGE_GONE");
});
