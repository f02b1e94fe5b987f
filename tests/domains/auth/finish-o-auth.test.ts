import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bearer, openDatabase, operator, testClock } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";
import { answered, auditOf, pageCall } from "./passkey-house.js";
import { type ProviderHouse, returned, signInAt, start, startProviderHouse } from "./provider-house.js";

const clock = testClock(new Date().toISOString());
let house: ProviderHouse;
beforeAll(async () => {
  house = await startProviderHouse({}, { overrides: { clock } });
});
afterAll(() => house.stop());

const finish = (body: object, headers: Record<string, string> = {}) =>
  pageCall(house.backstay, "FinishOAuth", body, headers);

it("makes an account for somebody who was never here, with what the provider says, and signs in to it the next time", async () => {
  house.people.ada = { name: "Ada Lovelace", email: "ada@example.com", email_verified: true };
  const first = answered(await signInAt(house, "ada"));
  expect(first.created).toBe(true);
  expect(first.account).toMatchObject({ name: "Ada Lovelace", alias: "Ada Lovelace", email: "ada@example.com" });
  expect(first.account).not.toHaveProperty("login");
  expect(await knownBy(house.backstay.url, bearer(first.tokens.accessToken))).toBe(`${first.account.id} by token`);

  const second = answered(await signInAt(house, "ada"));
  expect([second.created ?? false, second.account.id]).toEqual([false, first.account.id]);
  expect(await auditOf(house.backstay, "account.created", first.account.id)).toEqual([
    { method: "oidc", provider: "acme" },
  ]);
  expect(await auditOf(house.backstay, "sign_in.ok", first.account.id)).toEqual([
    { method: "oidc", provider: "acme", device: first.deviceId },
    { method: "oidc", provider: "acme", device: second.deviceId },
  ]);
  const { identities } = answered(
    await pageCall(house.backstay, "ListIdentities", {}, bearer(second.tokens.accessToken)),
  );
  expect(identities).toEqual([
    {
      id: expect.any(String),
      kind: "oidc",
      provider: "acme",
      label: "ada@example.com",
      createTime: expect.any(String),
      lastUseTime: clock.now().toISOString(),
    },
  ]);
});

it("gives a cookie when it is asked for, and shows the sign-in by its method", async () => {
  const reply = await signInAt(house, "cookie", { cookie: true, deviceName: "The kiosk" });
  const { account, tokens } = answered(reply);
  expect(await knownBy(house.backstay.url, withCookie(givenCookie(reply)))).toBe(`${account.id} by cookie`);
  const { devices } = answered(await pageCall(house.backstay, "ListDevices", {}, bearer(tokens.accessToken)));
  expect(devices).toEqual([expect.objectContaining({ name: "The kiosk", method: "oidc" })]);
});

it("makes one account when somebody comes twice at once for the first time", async () => {
  const both = await Promise.all([returned(house, "twin"), returned(house, "twin")]);
  const replies = (await Promise.all(both.map((body) => finish(body)))).map(answered);
  expect(new Set(replies.map(({ account }) => account.id)).size).toBe(1);
  expect(replies.filter(({ created }) => created)).toHaveLength(1);
});

it.each([false, true])(
  "does not open an account that has the same address: the newcomer gets one of his own (provider trusted: %s)",
  async (trustEmail) => {
    const other = await startProviderHouse({}, { trustEmail });
    const ben = await other.backstay.signUp();
    const sql = openDatabase(other.backstay);
    await sql`update backstay.accounts set email = 'ben@example.com', email_verified_at = now() where id = ${ben.id}::uuid`;
    await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at)
      values (gen_random_uuid(), ${ben.id}::uuid, 'email', 'ben@example.com', 'ben@example.com', now())`;
    other.people.mallory = { email: "Ben@Example.com", email_verified: true };
    const { account, created } = answered(await signInAt(other, "mallory"));
    expect([created, account.id === ben.id]).toEqual([true, false]);
    const verified = await sql`select account_id from backstay.identities where kind = 'email'`;
    expect(verified.map((row) => row.account_id.replaceAll("-", ""))).toEqual([ben.id]);
    await other.stop();
  },
);

it("takes a provider's word for an address when it is trusted with that", async () => {
  const trusting = await startProviderHouse({}, { trustEmail: true });
  trusting.people.cleo = { email: "Cleo@example.com", email_verified: true };
  trusting.people.dora = { email: "dora@example.com", email_verified: false };
  const kindsOf = async (who: string) => {
    const { tokens } = answered(await signInAt(trusting, who));
    const { identities } = answered(
      await pageCall(trusting.backstay, "ListIdentities", {}, bearer(tokens.accessToken)),
    );
    return identities.map(({ kind, label }: { kind: string; label: string }) => `${kind} ${label}`).sort();
  };
  expect(await kindsOf("cleo")).toEqual(["email Cleo@example.com", "oidc Cleo@example.com"]);
  expect(await kindsOf("dora")).toEqual(["oidc dora@example.com"]);
  await trusting.stop();
});

it("makes no account where registration is closed, and signs those in who have one", async () => {
  const closed = await startProviderHouse({ "accounts.open_registration": "off" });
  expect((await signInAt(closed, "ines")).reason).toBe("REGISTRATION_CLOSED");
  const login = { login: "ines", secret: "long enough" };
  const { account } = await operator(closed.backstay).accounts.createAccount({ ...login, name: "Ines" });
  const { tokens } = await closed.backstay.anonymous().auth.signIn(login);
  const body = await returned(closed, "ines");
  expect((await pageCall(closed.backstay, "LinkIdentity", body, bearer(tokens!.accessToken))).status).toBe(200);
  expect(answered(await signInAt(closed, "ines")).account.id).toBe(account!.id);
  await closed.stop();
});

it("tells the owner of a banned account so, and signs nobody in", async () => {
  const { account } = answered(await signInAt(house, "banned"));
  const sql = openDatabase(house.backstay);
  await sql`update backstay.accounts set status = 'banned' where id = ${account.id}::uuid`;
  const reply = await signInAt(house, "banned", { cookie: true });
  expect([reply.reason, reply.cookies]).toEqual(["ACCOUNT_BANNED", []]);
  expect(await auditOf(house.backstay, "sign_in.failed", account.id)).toEqual([
    { method: "oidc", provider: "acme", reason: "ACCOUNT_BANNED" },
  ]);
});

describe("is refused", () => {
  it("for a state that nobody has begun with", async () => {
    const body = await returned(house, "eve");
    for (const state of ["nonsense", "", `${"0".repeat(32)}${body.state.slice(32)}`, `${body.state.slice(0, 32)}x`]) {
      const { reason } = await finish({ ...body, state });
      expect(state === "" ? "INVALID_FIELD" : "CHALLENGE_GONE").toBe(reason);
    }
  });

  it("to whoever has not begun, and leaves it to whoever has", async () => {
    const body = await returned(house, "eve");
    const other = await start(house);
    for (const flowToken of ["", "bs_ft_", other.flowToken, body.flowToken.replace(/.$/, "!")]) {
      expect((await finish({ ...body, flowToken })).reason).toBe("CHALLENGE_GONE");
    }
    expect((await finish(body)).status).toBe(200);
  });

  it("for the answer of one provider in another's name", async () => {
    const body = await returned(house, "eve");
    expect((await finish({ ...body, provider: "other" })).reason).toBe("CHALLENGE_GONE");
  });

  it("for the same answer a second time", async () => {
    const body = await returned(house, "eve");
    expect((await finish(body)).status).toBe(200);
    expect((await finish(body)).reason).toBe("CHALLENGE_GONE");
  });

  it("for a code that was used already, in a flow that was not", async () => {
    const used = await returned(house, "eve");
    expect((await finish(used)).status).toBe(200);
    const fresh = await returned(house, "eve");
    expect((await finish({ ...fresh, code: used.code })).reason).toBe("PROVIDER_REFUSED");
  });

  it("for the code of somebody else's flow, which has another verifier", async () => {
    const [his, hers] = [await returned(house, "eve"), await returned(house, "fay")];
    expect((await finish({ ...hers, code: his.code })).reason).toBe("PROVIDER_REFUSED");
  });

  it("after ten minutes", async () => {
    const body = await returned(house, "eve");
    clock.advance(600_000);
    expect((await finish(body)).reason).toBe("CHALLENGE_GONE");
  });

  it("to a page of another site that asks for a cookie", async () => {
    const body = { ...(await returned(house, "eve")), cookie: true };
    expect((await finish(body, { origin: "https://evil.example" })).reason).toBe("CROSS_SITE");
    expect((await finish(body)).status).toBe(200);
  });
});

it("finishes what was begun before the provider came back with other keys", async () => {
  expect((await signInAt(house, "gil")).status).toBe(200);
  const body = await returned(house, "gil");
  await house.restart();
  expect((await finish(body)).status).toBe(200);
});

it("is unavailable while the provider is away", async () => {
  const body = await returned(house, "hal");
  await house.stopProvider();
  expect((await finish(body)).reason).toBe("PROVIDER_UNAVAILABLE");
  await house.restart();
});
