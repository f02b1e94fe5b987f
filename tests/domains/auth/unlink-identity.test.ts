import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { standingStream } from "../stream.js";
import { bearer, openDatabase } from "../support.js";
import { answered, auditOf, pageCall, register, signInBy } from "./passkey-house.js";
import { type ProviderHouse, returned, signInAt, startProviderHouse } from "./provider-house.js";

let house: ProviderHouse;
beforeAll(async () => {
  house = await startProviderHouse();
});
afterAll(() => house.stop());

const unlink = (token: string, id: string) => pageCall(house.backstay, "UnlinkIdentity", { id }, bearer(token));
const ways = async (token: string): Promise<{ id: string; kind: string }[]> =>
  answered(await pageCall(house.backstay, "ListIdentities", {}, bearer(token))).identities;
const idOf = async (token: string, kind: string) => (await ways(token)).find((one) => one.kind === kind)!.id;
const kindsOf = async (token: string) => (await ways(token)).map(({ kind }) => kind);

async function withProvider(who: string) {
  const person = await house.backstay.signUp();
  await pageCall(house.backstay, "LinkIdentity", await returned(house, who), bearer(person.token));
  return person;
}

it("takes an identity of a provider away: it signs in to the account no more", async () => {
  const ada = await withProvider("ada");
  const id = await idOf(ada.token, "oidc");
  expect((await unlink(ada.token, id)).status).toBe(200);
  expect(await auditOf(house.backstay, "identity.unlinked", ada.id)).toEqual([
    { kind: "oidc", identity: id, provider: "acme" },
  ]);
  const { account, created } = answered(await signInAt(house, "ada"));
  expect([created, account.id === ada.id]).toEqual([true, false]);
  expect((await unlink(ada.token, id)).reason).toBe("IDENTITY_NOT_FOUND");
});

it("takes a passkey away as DeletePasskey does", async () => {
  const ben = await house.backstay.signUp();
  const { passkey } = await register(house.backstay, ben.token);
  const id = await idOf(ben.token, "passkey");
  expect((await unlink(ben.token, id)).status).toBe(200);
  expect(await auditOf(house.backstay, "passkey.removed", ben.id)).toEqual([{ passkey: id }]);
  expect((await signInBy(house.backstay, passkey)).reason).toBe("INVALID_PASSKEY");
});

it("takes a verified address away: it is the account's still, but was not shown to be", async () => {
  const cleo = await house.backstay.signUp();
  const sql = openDatabase(house.backstay);
  await sql`update backstay.accounts set email = 'cleo@example.com', email_verified_at = now() where id = ${cleo.id}::uuid`;
  await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at)
    values (gen_random_uuid(), ${cleo.id}::uuid, 'email', 'cleo@example.com', 'cleo@example.com', now())`;
  const stream = await standingStream(house.backstay, cleo.token);
  expect((await unlink(cleo.token, await idOf(cleo.token, "email"))).status).toBe(200);
  const event = { type: "account.update", actorId: cleo.id, data: { changed: ["email_verified"] } };
  expect(await stream.event(1_000)).toMatchObject(event);
  expect(await kindsOf(cleo.token)).toEqual(["login"]);
  const [row] = await sql`select email, email_verified_at from backstay.accounts where id = ${cleo.id}::uuid`;
  expect([row!.email, row!.email_verified_at]).toEqual(["cleo@example.com", null]);
  const byAddress = { login: "cleo@example.com", secret: cleo.secret };
  expect((await pageCall(house.backstay, "SignIn", byAddress)).reason).toBe("INVALID_CREDENTIALS");
});

describe("the last way in", () => {
  it("stays", async () => {
    const { tokens } = answered(await signInAt(house, "dora"));
    const token = tokens.accessToken;
    expect((await unlink(token, await idOf(token, "oidc"))).reason).toBe("LAST_WAY_IN");
    await register(house.backstay, token);
    expect((await unlink(token, await idOf(token, "oidc"))).status).toBe(200);
    expect((await unlink(token, await idOf(token, "passkey"))).reason).toBe("LAST_WAY_IN");
  });

  it("stays also when the last two go at once", async () => {
    const { tokens } = answered(await signInAt(house, "eve"));
    const token = tokens.accessToken;
    await register(house.backstay, token);
    const ids = [await idOf(token, "oidc"), await idOf(token, "passkey")];
    const replies = await Promise.all(ids.map((id) => unlink(token, id)));
    expect(replies.map(({ status, reason }) => reason ?? status).sort()).toEqual([200, "LAST_WAY_IN"]);
  });

  it("is not an identity of a provider that is asked no more", async () => {
    const { account, tokens } = answered(await signInAt(house, "fay"));
    const token = tokens.accessToken;
    await register(house.backstay, token);
    const sql = openDatabase(house.backstay);
    await sql`update backstay.identities set detail = detail || '{"provider": "gone"}'
      where account_id = ${account.id}::uuid and kind = 'oidc'`;
    expect((await unlink(token, await idOf(token, "passkey"))).reason).toBe("LAST_WAY_IN");
    expect((await unlink(token, await idOf(token, "oidc"))).status).toBe(200);
  });

  it("is not an address alone", async () => {
    const { account, tokens } = answered(await pageCall(house.backstay, "SignInAnonymously"));
    const sql = openDatabase(house.backstay);
    await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at)
      values (gen_random_uuid(), ${account.id}::uuid, 'email', 'gil@example.com', 'gil@example.com', now())`;
    const token = tokens.accessToken;
    expect((await unlink(token, await idOf(token, "email"))).reason).toBe("LAST_WAY_IN");
  });
});

it("leaves a login with its account, and what an anonymous one has", async () => {
  const hal = await withProvider("hal");
  expect((await unlink(hal.token, await idOf(hal.token, "login"))).reason).toBe("IDENTITY_NOT_FOUND");
  const { tokens } = answered(await pageCall(house.backstay, "SignInAnonymously"));
  const id = await idOf(tokens.accessToken, "anonymous");
  expect((await unlink(tokens.accessToken, id)).reason).toBe("IDENTITY_NOT_FOUND");
});

it("finds nothing of another account", async () => {
  const [ines, joe] = [await withProvider("ines"), await house.backstay.signUp()];
  expect((await unlink(joe.token, await idOf(ines.token, "oidc"))).reason).toBe("IDENTITY_NOT_FOUND");
  expect((await unlink(joe.token, "nonsense")).reason).toBe("IDENTITY_NOT_FOUND");
  expect(await kindsOf(ines.token)).toEqual(["login", "oidc"]);
});
