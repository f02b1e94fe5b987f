import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../support/backstay.js";
import { bearer } from "../support.js";
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
