import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { bearer, testClock } from "../support.js";
import { answered, auditOf, localOrigin, pageCall, register } from "./passkey-house.js";
import { type Faults, softPasskey } from "./soft-passkey.js";

const clock = testClock();
let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay(
    {
      "auth.access_ttl": "30d",
      "auth.refresh_idle_ttl": "30d",
      "cors.origins": "https://pages.localhost,https://app.example.com",
    },
    { overrides: { clock } },
  );
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const begin = async (person: Person) =>
  answered(await pageCall(backstay, "BeginRegistration", {}, bearer(person.token)));
const finish = (person: Person, body: object) => pageCall(backstay, "FinishRegistration", body, bearer(person.token));

it("registers the passkey under the name its owner gives, and answers it", async () => {
  const { reply } = await register(backstay, ada.token, { name: "Ada's phone" });
  const { passkey } = answered(reply);
  expect(passkey).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    name: "Ada's phone",
    createTime: clock.now().toISOString(),
  });
  const { passkeys } = answered(await pageCall(backstay, "ListPasskeys", {}, bearer(ada.token)));
  expect(passkeys).toEqual([passkey]);
  expect(await auditOf(backstay, "passkey.added", ada.id)).toEqual([{ passkey: passkey.id }]);
});

it("calls it Passkey when its owner does not say", async () => {
  const ben = await backstay.signUp();
  expect(answered((await register(backstay, ben.token)).reply).passkey.name).toBe("Passkey");
});

describe("a challenge", () => {
  it("serves once", async () => {
    const { challengeId, options } = await begin(ada);
    const passkey = softPasskey(localOrigin(backstay));
    expect((await finish(ada, { challengeId, credential: passkey.create(options) })).status).toBe(200);
    expect((await finish(ada, { challengeId, credential: passkey.create(options) })).reason).toBe("CHALLENGE_GONE");
  });

  it("serves once however many come at once", async () => {
    const { challengeId, options } = await begin(ada);
    const replies = await Promise.all(
      Array.from({ length: 5 }, () =>
        finish(ada, { challengeId, credential: softPasskey(localOrigin(backstay)).create(options) }),
      ),
    );
    const gone = replies.filter(({ reason }) => reason === "CHALLENGE_GONE");
    expect([replies.filter(({ status }) => status === 200).length, gone.length]).toEqual([1, 4]);
  });

  it("is used up by an answer that proves nothing", async () => {
    const { challengeId, options } = await begin(ada);
    const passkey = softPasskey(localOrigin(backstay));
    const wrong = passkey.create(options, { origin: "http://localhost:1.evil.example" });
    expect((await finish(ada, { challengeId, credential: wrong })).reason).toBe("INVALID_PASSKEY");
    expect((await finish(ada, { challengeId, credential: passkey.create(options) })).reason).toBe("CHALLENGE_GONE");
  });

  it("is of the account that began", async () => {
    const ben = await backstay.signUp();
    const { challengeId, options } = await begin(ada);
    const credential = softPasskey(localOrigin(backstay)).create(options);
    expect((await finish(ben, { challengeId, credential })).reason).toBe("CHALLENGE_GONE");
  });

  it("is not one of a sign-in", async () => {
    const { options } = await begin(ada);
    const { challengeId } = answered(await pageCall(backstay, "BeginSignIn"));
    const credential = softPasskey(localOrigin(backstay)).create(options);
    expect((await finish(ada, { challengeId, credential })).reason).toBe("CHALLENGE_GONE");
  });

  it("lives for five minutes", async () => {
    const [one, two] = [await begin(ada), await begin(ada)];
    const passkey = softPasskey(localOrigin(backstay));
    clock.advance(299_000);
    const early = { challengeId: one.challengeId, credential: passkey.create(one.options) };
    expect((await finish(ada, early)).status).toBe(200);
    clock.advance(1_000);
    const late = { challengeId: two.challengeId, credential: softPasskey(localOrigin(backstay)).create(two.options) };
    expect((await finish(ada, late)).reason).toBe("CHALLENGE_GONE");
  });

  it.each(["nonsense", "0".repeat(32)])("has to be one: %s", async (challengeId) => {
    expect((await finish(ada, { challengeId, credential: {} })).reason).toBe("CHALLENGE_GONE");
  });
});

describe("an answer", () => {
  const certificate = new Map<string, unknown>([
    ["alg", -7],
    ["sig", new Uint8Array(64)],
    ["x5c", [new Uint8Array(100)]],
  ]);

  it.each<[string, Faults]>([
    ["of a page of another site", { origin: "https://evil.example" }],
    ["of a host that only begins like this one", { origin: "https://localhost.evil.example:8000" }],
    ["of a page that is let in, but has another host", { origin: "https://app.example.com" }],
    ["for another host", { rpId: "evil.example" }],
    ["to another challenge", { challenge: "AAAA" }],
    ["that is one of a sign-in", { type: "webauthn.get" }],
    ["of a device that has not asked who holds it", { verified: false }],
    ["with a certificate, which nobody looks at", { attestation: { fmt: "packed", attStmt: certificate } }],
    ["with an attestation of another kind", { attestation: { fmt: "tpm", attStmt: new Map() } }],
    ["whose attestation is signed by another key", { attestation: { fmt: "packed", attStmt: selfAttested() } }],
  ])("%s is refused", async (_, faults) => {
    const { reply } = await register(backstay, ada.token, { faults });
    expect(reply.reason).toBe("INVALID_PASSKEY");
  });

  it.each([
    ["of a page below this host that is let in", "https://pages.localhost"],
    ["of another port of this machine, in development,", "http://localhost:5173"],
  ])("%s is taken", async (_, origin) => {
    const { reply } = await register(backstay, ada.token, { faults: { origin } });
    expect(reply.status).toBe(200);
  });

  it.each<[string, (credential: Record<string, unknown>) => object]>([
    ["nothing", () => ({})],
    ["no response", ({ response: _, ...rest }) => rest],
    ["another id", (credential) => ({ ...credential, id: "AAAA" })],
    ["numbers where texts belong", (credential) => ({ ...credential, response: { clientDataJSON: 7 } })],
    ["a list for a response", (credential) => ({ ...credential, response: [1, 2] })],
    [
      "what is no CBOR",
      (credential) => ({ ...credential, response: { ...(credential.response as object), attestationObject: "_w" } }),
    ],
    ["a prototype's name for a kind", (credential) => ({ ...credential, type: "__proto__" })],
  ])("that is damaged is refused: %s", async (_, damage) => {
    const { challengeId, options } = await begin(ada);
    const credential = damage(softPasskey(localOrigin(backstay)).create(options));
    expect((await finish(ada, { challengeId, credential })).reason).toBe("INVALID_PASSKEY");
  });

  it("that calls the passkey by more than one line is refused, and what was begun can be finished", async () => {
    const { challengeId, options } = await begin(ada);
    const credential = softPasskey(localOrigin(backstay)).create(options);
    expect((await finish(ada, { challengeId, credential, name: "a\nb" })).reason).toBe("INVALID_FIELD");
    expect((await finish(ada, { challengeId, credential, name: "a b" })).status).toBe(200);
  });

  it("of a passkey that is registered already is refused, whoever has it", async () => {
    const { passkey } = await register(backstay, ada.token);
    const ben = await backstay.signUp();
    for (const person of [ben, ada]) {
      expect((await register(backstay, person.token, { passkey })).reply.reason).toBe("PASSKEY_TAKEN");
    }
  });
});

it("makes an anonymous account one that can be signed in to again", async () => {
  const { account, tokens } = answered(await pageCall(backstay, "SignInAnonymously"));
  const { passkey } = await register(backstay, tokens.accessToken);
  expect(passkey.id).not.toBe("");
  const { identities } = answered(await pageCall(backstay, "ListIdentities", {}, bearer(tokens.accessToken)));
  expect(identities.map(({ kind }: { kind: string }) => kind)).toEqual(["passkey"]);
  expect(account.id).toMatch(/^[0-9a-f]{32}$/);
});

function selfAttested(): Map<string, unknown> {
  return new Map<string, unknown>([
    ["alg", -7],
    ["sig", new Uint8Array([0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01])],
  ]);
}
