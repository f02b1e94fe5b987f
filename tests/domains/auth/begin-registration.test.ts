import { afterAll, beforeAll, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { bearer } from "../support.js";
import { answered, localOrigin, pageCall, register } from "./passkey-house.js";
import { softPasskey } from "./soft-passkey.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "app.name": "Harbour" });
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const begin = (person = ada, headers: Record<string, string> = {}) =>
  pageCall(backstay, "BeginRegistration", {}, { ...bearer(person.token), ...headers });

it("asks for a passkey that a device finds by itself and guards, for this host, and for no word of who made the device", async () => {
  const { challengeId, options } = answered(await begin());
  expect(challengeId).toMatch(/^[0-9a-f]{32}$/);
  expect(options).toMatchObject({
    rp: { id: "localhost", name: "Harbour" },
    user: {
      id: Buffer.from(ada.id, "hex").toString("base64url"),
      name: ada.login,
      displayName: `Name of ${ada.login}`,
    },
    attestation: "none",
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    timeout: 300_000,
    excludeCredentials: [],
  });
  expect(options.pubKeyCredParams.map(({ alg }: { alg: number }) => alg)).toEqual([-7, -8, -257]);
  expect(Buffer.from(options.challenge, "base64url").length).toBeGreaterThanOrEqual(32);
});

it("asks with another challenge each time", async () => {
  const [one, two] = [answered(await begin()), answered(await begin())];
  expect(one.options.challenge).not.toBe(two.options.challenge);
});

it("names the account's passkeys, so that a device does not make a second one, and nobody else's", async () => {
  const [ben, other] = [await backstay.signUp(), await backstay.signUp()];
  const { passkey } = await register(backstay, ben.token);
  await register(backstay, other.token);
  const { options } = answered(await begin(ben));
  expect(options.excludeCredentials).toEqual([{ id: passkey.id, type: "public-key", transports: ["internal"] }]);
});

it("is for whoever is signed in", async () => {
  expect((await pageCall(backstay, "BeginRegistration")).reason).toBe("TOKEN_MISSING");
});

it("keeps twenty for an account, of which the oldest make room", async () => {
  const cleo = await backstay.signUp();
  const begun: { challengeId: string; options: { challenge: string } }[] = [];
  for (let n = 0; n < 21; n++) begun.push(answered(await begin(cleo)));
  const finish = ({ challengeId, options }: (typeof begun)[number]) => {
    const credential = softPasskey(localOrigin(backstay)).create(options);
    return pageCall(backstay, "FinishRegistration", { challengeId, credential }, bearer(cleo.token));
  };
  expect((await finish(begun[0]!)).reason).toBe("CHALLENGE_GONE");
  expect((await finish(begun[1]!)).status).toBe(200);
});

it("is refused where the server is reached by an address: it says where to go", async () => {
  const reply = await connectJson(backstay.url, "auth.v1.AuthService/BeginRegistration", {}, bearer(ada.token));
  expect(reply.reason).toBe("PUBLIC_URL_MISSING");
  expect(reply.json.message).toContain(`http://localhost:${new URL(backstay.url).port}`);
});

it.each([
  ["from elsewhere", { host: "app.example.com" }],
  ["through a proxy, which may say anything", { "x-forwarded-host": "localhost" }],
])("is refused %s as long as the server does not know its address", async (_, headers) => {
  expect((await begin(ada, headers)).reason).toBe("PUBLIC_URL_MISSING");
});

it("is for the host of `public_url` where that is set, whatever host was asked", async () => {
  const away = await startBackstay({ public_url: "https://app.example.com" });
  const person = await away.signUp();
  const { options } = answered(await pageCall(away, "BeginRegistration", {}, bearer(person.token)));
  expect(options.rp.id).toBe("app.example.com");
  await away.stop();
});
