import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, openDatabase, testClock } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";
import { answered, auditOf, localOrigin, pageCall, register, signInBy, signInRequest } from "./passkey-house.js";
import { type Faults, type SoftPasskey, softPasskey } from "./soft-passkey.js";

const clock = testClock();
let backstay: TestBackstay;
let ada: Person;
let passkey: SoftPasskey;
beforeAll(async () => {
  backstay = await startBackstay(
    { "auth.access_ttl": "30d", "auth.refresh_idle_ttl": "30d" },
    { overrides: { clock } },
  );
  ada = await backstay.signUp();
  ({ passkey } = await register(backstay, ada.token));
});
afterAll(() => backstay.stop());

it("signs in to the account whose passkey it is, by tokens", async () => {
  const { account, tokens, deviceId } = answered(await signInBy(backstay, passkey));
  expect(account).toMatchObject({ id: ada.id, login: ada.login });
  expect(await knownBy(backstay.url, bearer(tokens.accessToken))).toBe(`${ada.id} by token`);
  const entries = await auditOf(backstay, "sign_in.ok", ada.id);
  expect(entries).toContainEqual({ method: "passkey", device: deviceId, passkey: expect.stringMatching(/^\w{32}$/) });
});

it("gives the browser a cookie when it is asked for", async () => {
  const request = await signInRequest(backstay, passkey);
  const reply = await pageCall(backstay, "FinishSignIn", { ...request, cookie: true });
  expect(await knownBy(backstay.url, withCookie(givenCookie(reply)))).toBe(`${ada.id} by cookie`);
});

it("notes when the passkey was used, and shows the sign-in by its method and name", async () => {
  const request = await signInRequest(backstay, passkey);
  const reply = await pageCall(backstay, "FinishSignIn", { ...request, deviceName: "Ada's phone" });
  const { tokens, deviceId } = answered(reply);
  const { passkeys } = answered(await pageCall(backstay, "ListPasskeys", {}, bearer(tokens.accessToken)));
  expect(passkeys[0].lastUseTime).toBe(clock.now().toISOString());
  const { devices } = answered(await pageCall(backstay, "ListDevices", {}, bearer(tokens.accessToken)));
  const own = devices.find(({ current }: { current?: boolean }) => current);
  expect(own).toMatchObject({ deviceId, name: "Ada's phone", method: "passkey" });
});

describe("is refused", () => {
  it.each<[string, Faults]>([
    ["to a page of another site", { origin: "https://evil.example" }],
    ["for another host", { rpId: "evil.example" }],
    ["for another challenge", { challenge: "AAAA" }],
    ["by what is a registration", { type: "webauthn.create" }],
    ["by a device that has not asked who holds it", { verified: false }],
    ["by another key", { forged: true }],
    ["in another account's name", { userHandle: Buffer.alloc(16).toString("base64url") }],
    ["in nobody's name", { userHandle: "" }],
  ])("%s", async (_, faults) => {
    expect((await signInBy(backstay, passkey, faults)).reason).toBe("INVALID_PASSKEY");
    expect(await auditOf(backstay, "sign_in.failed", ada.id)).toContainEqual({
      method: "passkey",
      reason: "INVALID_PASSKEY",
    });
  });

  it("by a passkey that nobody has registered, as one that is wrong is", async () => {
    const stranger = await signInBy(backstay, softPasskey(localOrigin(backstay)));
    const forged = await signInBy(backstay, passkey, { forged: true });
    expect([stranger.status, stranger.json]).toEqual([forged.status, forged.json]);
  });

  it("by a passkey that was deleted", async () => {
    const second = await register(backstay, ada.token);
    const { id } = answered(second.reply).passkey;
    expect((await pageCall(backstay, "DeletePasskey", { id }, bearer(ada.token))).status).toBe(200);
    expect((await signInBy(backstay, second.passkey)).reason).toBe("INVALID_PASSKEY");
  });

  it("by the same answer a second time", async () => {
    const request = await signInRequest(backstay, passkey);
    expect((await pageCall(backstay, "FinishSignIn", request)).status).toBe(200);
    expect((await pageCall(backstay, "FinishSignIn", request)).reason).toBe("CHALLENGE_GONE");
  });

  it("after five minutes", async () => {
    const request = await signInRequest(backstay, passkey);
    clock.advance(300_000);
    expect((await pageCall(backstay, "FinishSignIn", request)).reason).toBe("CHALLENGE_GONE");
  });

  it("for a challenge of a registration", async () => {
    const { challengeId, options } = answered(await pageCall(backstay, "BeginRegistration", {}, bearer(ada.token)));
    const credential = passkey.get({ challenge: options.challenge, rpId: "localhost" });
    expect((await pageCall(backstay, "FinishSignIn", { challengeId, credential })).reason).toBe("CHALLENGE_GONE");
  });

  it.each([
    ["nothing", {}],
    ["an id that is a number", { id: 7 }],
    ["an id that is no id", { id: "ünï" }],
    ["a long id", { id: "A".repeat(2_000) }],
  ])("by %s", async (_, credential) => {
    const { challengeId } = answered(await pageCall(backstay, "BeginSignIn"));
    expect((await pageCall(backstay, "FinishSignIn", { challengeId, credential })).reason).toBe("INVALID_PASSKEY");
  });

  it("by a known id and nothing else", async () => {
    const { challengeId } = answered(await pageCall(backstay, "BeginSignIn"));
    const credential = { id: passkey.id };
    expect((await pageCall(backstay, "FinishSignIn", { challengeId, credential })).reason).toBe("INVALID_PASSKEY");
  });

  it("to a page of another site that asks for a cookie, before anything is used up", async () => {
    const request = { ...(await signInRequest(backstay, passkey)), cookie: true };
    const reply = await pageCall(backstay, "FinishSignIn", request, { origin: "https://evil.example" });
    expect([reply.reason, reply.cookies]).toEqual(["CROSS_SITE", []]);
    expect((await pageCall(backstay, "FinishSignIn", request)).status).toBe(200);
  });

  it("to a banned account, which is told so since the passkey was right", async () => {
    const ben = await backstay.signUp();
    const his = await register(backstay, ben.token);
    const sql = openDatabase(backstay);
    await sql`update backstay.accounts set status = 'banned' where id = ${ben.id}::uuid`;
    expect((await signInBy(backstay, his.passkey)).reason).toBe("ACCOUNT_BANNED");
    expect((await signInBy(backstay, his.passkey, { forged: true })).reason).toBe("INVALID_PASSKEY");
  });
});

describe("a passkey that counts its uses", () => {
  it("is refused when another has used it as often: there are two of it, and the audit log says so", async () => {
    const cleo = await backstay.signUp();
    const hers = (await register(backstay, cleo.token)).passkey;
    expect((await signInBy(backstay, hers, { counter: 7 })).status).toBe(200);
    for (const counter of [7, 3, 0]) {
      expect((await signInBy(backstay, hers, { counter })).reason).toBe("INVALID_PASSKEY");
    }
    const entries = await auditOf(backstay, "sign_in.failed", cleo.id);
    expect(entries).toEqual(Array.from({ length: 3 }, () => ({ method: "passkey", reason: "cloned" })));
    expect((await signInBy(backstay, hers, { counter: 8 })).status).toBe(200);
  });

  it("is taken once when two come with the same count at once", async () => {
    const dora = await backstay.signUp();
    const hers = (await register(backstay, dora.token)).passkey;
    const replies = await Promise.all(Array.from({ length: 6 }, () => signInBy(backstay, hers, { counter: 5 })));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  });
});

it("takes a passkey that never counts as often as it comes", async () => {
  const eve = await backstay.signUp();
  const hers = softPasskey(localOrigin(backstay), { counts: false });
  await register(backstay, eve.token, { passkey: hers });
  for (let n = 0; n < 3; n++) expect((await signInBy(backstay, hers)).status).toBe(200);
});

it("needs no code of an authenticator besides: the device has asked for both factors", async () => {
  const fay = await backstay.signUp();
  const hers = (await register(backstay, fay.token)).passkey;
  const sql = openDatabase(backstay);
  await sql`insert into backstay.totp (account_id, secret_sealed, confirmed_at, last_step, created_at)
    values (${fay.id}::uuid, '\\x00', now(), 0, now())`;
  expect((await signInBy(backstay, hers)).status).toBe(200);
});
