import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { answered, pageCall, register } from "./passkey-house.js";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay();
});
afterAll(() => backstay.stop());

it("asks whoever is there for a passkey of this host, and names none: the answer tells nobody who has one", async () => {
  await register(backstay, (await backstay.signUp()).token);
  const { challengeId, options } = answered(await pageCall(backstay, "BeginSignIn"));
  expect(challengeId).toMatch(/^[0-9a-f]{32}$/);
  expect(options).toEqual({
    challenge: expect.stringMatching(/^[\w-]{43}$/),
    rpId: "localhost",
    timeout: 300_000,
    userVerification: "required",
  });
});

it("asks with another challenge each time", async () => {
  const [one, two] = [
    answered(await pageCall(backstay, "BeginSignIn")),
    answered(await pageCall(backstay, "BeginSignIn")),
  ];
  expect(one.options.challenge).not.toBe(two.options.challenge);
});

it("is refused where the server is reached by an address", async () => {
  expect((await connectJson(backstay.url, "auth.v1.AuthService/BeginSignIn", {})).reason).toBe("PUBLIC_URL_MISSING");
});
