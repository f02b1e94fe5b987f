import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { startBrowser } from "../../support/browser.js";
import { localOrigin } from "./passkey-house.js";

let backstay: TestBackstay;
let browser: Browser;
beforeAll(async () => {
  [backstay, browser] = await Promise.all([startBackstay(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await backstay?.stop();
});

let context: BrowserContext;
let page: Page;
let device: CDPSession;
let authenticatorId: string;
let ada: Person;
beforeEach(async () => {
  ada = await backstay.signUp();
  await context?.close();
  context = await browser.newContext();
  page = await context.newPage();
  device = await context.newCDPSession(page);
  await device.send("WebAuthn.enable");
  ({ authenticatorId } = await device.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  }));
  await page.goto(`${localOrigin(backstay)}/`);
});

/** A call of AuthService by the page's own fetch: the page has no token, the browser may have a cookie. */
// biome-ignore lint/suspicious/noExplicitAny: answers are compared as they are.
function call(method: string, body: object, token?: string): Promise<any> {
  return page.evaluate(
    async ([path, text, bearer]) => {
      const headers: Record<string, string> = { "content-type": "application/json" };
      if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`;
      const response = await fetch(path!, { method: "POST", headers, body: text! });
      return response.json();
    },
    [`/backstay.auth.v1.AuthService/${method}`, JSON.stringify(body), token] as const,
  );
}

/** Has the browser make a passkey, or use one, as pages do by the platform's own JSON forms. */
function create(options: object): Promise<object> {
  return page.evaluate(async (json) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json as PublicKeyCredentialCreationOptionsJSON);
    return ((await navigator.credentials.create({ publicKey })) as PublicKeyCredential).toJSON();
  }, options);
}
function get(options: object): Promise<object> {
  return page.evaluate(async (json) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json as PublicKeyCredentialRequestOptionsJSON);
    return ((await navigator.credentials.get({ publicKey })) as PublicKeyCredential).toJSON();
  }, options);
}

async function register() {
  const { challengeId, options } = await call("BeginRegistration", {}, ada.token);
  return call("FinishRegistration", { challengeId, credential: await create(options) }, ada.token);
}

async function answerOf() {
  const { challengeId, options } = await call("BeginSignIn", {});
  return { challengeId, credential: await get(options), cookie: true };
}

const reasonOf = (json: { details?: { debug?: { reason?: string } }[] }) => json.details?.[0]?.debug?.reason;

it("registers a passkey, signs out, and signs in again by it, with a cookie", async () => {
  expect((await register()).passkey.name).toBe("Passkey");
  await call("SignOut", {}, ada.token);
  expect(reasonOf(await call("GetCurrent", {}))).toBe("TOKEN_MISSING");

  const { account } = await call("FinishSignIn", await answerOf());
  expect(account.id).toBe(ada.id);
  expect(await call("GetCurrent", {})).toMatchObject({ account: { id: ada.id }, via: "cookie" });

  await call("SignOut", {});
  expect(reasonOf(await call("GetCurrent", {}))).toBe("TOKEN_MISSING");
});

it("keeps the device from making a second one", async () => {
  await register();
  const { options } = await call("BeginRegistration", {}, ada.token);
  await expect(create(options)).rejects.toThrow(/InvalidStateError/);
});

it("refuses the answer when it comes again", async () => {
  await register();
  const answer = await answerOf();
  expect((await call("FinishSignIn", answer)).account.id).toBe(ada.id);
  expect(reasonOf(await call("FinishSignIn", answer))).toBe("CHALLENGE_GONE");
});

it("refuses a passkey that was deleted here and is still on the device", async () => {
  const { passkey } = await register();
  expect(await call("DeletePasskey", { id: passkey.id }, ada.token)).toEqual({});
  expect(reasonOf(await call("FinishSignIn", await answerOf()))).toBe("INVALID_PASSKEY");
});

it("refuses the copy of a passkey, whose count is behind", async () => {
  await register();
  const { credentials } = await device.send("WebAuthn.getCredentials", { authenticatorId });
  expect((await call("FinishSignIn", await answerOf())).account.id).toBe(ada.id);
  const [copy] = credentials;
  await device.send("WebAuthn.removeCredential", { authenticatorId, credentialId: copy!.credentialId });
  await device.send("WebAuthn.addCredential", { authenticatorId, credential: copy! });
  expect(reasonOf(await call("FinishSignIn", await answerOf()))).toBe("INVALID_PASSKEY");
});

it("is not asked by a device whose owner is not verified", async () => {
  await register();
  await device.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await expect(answerOf()).rejects.toThrow(/NotAllowedError/);
});
