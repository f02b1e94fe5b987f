import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { runJob } from "../run-job.js";
import { bearer, curl, curlRefused, openDatabase, testClock } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const SIGN_IN = "auth.v1.AuthService/SignInAnonymously";
const DAY = 24 * 3_600_000;

interface SignedIn {
  account: { id: string; name: string; login?: string };
  tokens: { accessToken: string; refreshToken: string };
  deviceId: string;
}

const clock = testClock();
let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay(
    { "auth.refresh_idle_ttl": "10d", "auth.refresh_max_ttl": "30d" },
    { overrides: { clock } },
  );
});
afterAll(() => backstay.stop());

const signIn = (body: object = {}) => curl<SignedIn>(backstay, SIGN_IN, body);

it("makes an account that has neither login nor secret, and signs in to it", async () => {
  const { account, tokens, deviceId } = await signIn({ name: "Visitor 7" });
  expect(account).toMatchObject({ name: "Visitor 7", alias: "Visitor 7", status: "ACCOUNT_STATUS_ACTIVE" });
  expect(account.login).toBeUndefined();
  expect(await knownBy(backstay.url, bearer(tokens.accessToken))).toBe(`${account.id} by token`);
  expect(deviceId).toMatch(/^[0-9a-f]{32}$/);
});

it("calls whoever says no name a guest, and each is another account", async () => {
  const [one, other] = [await signIn(), await signIn()];
  expect([one.account.name, other.account.name]).toEqual(["Guest", "Guest"]);
  expect(one.account.id).not.toBe(other.account.id);
});

it("makes another account at each repeat, also by an idempotency key: somebody else may have guessed it", async () => {
  const again = { "idempotency-key": "the-first-that-comes-to-mind" };
  const [one, other] = [
    await connectJson(backstay.url, SIGN_IN, {}, again),
    await connectJson(backstay.url, SIGN_IN, {}, again),
  ];
  expect([one.status, other.status]).toEqual([200, 200]);
  expect(one.json.account.id).not.toBe(other.json.account.id);
  expect(one.json.tokens).not.toEqual(other.json.tokens);
});

it("makes an account as good as any other: it writes, is written to, and refreshes", async () => {
  const [guest, ada] = [await signIn(), await backstay.signUp()];
  const { accessToken, refreshToken } = guest.tokens;
  await curl(backstay, "messages.v1.MessageService/SendMessage", { recipientId: ada.id, text: "Hello" }, accessToken);
  await curl(
    backstay,
    "messages.v1.MessageService/SendMessage",
    { recipientId: guest.account.id, text: "Hi" },
    ada.token,
  );
  await curl(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
});

it("gives a cookie where one is asked for, but not to another site's page", async () => {
  const reply = await connectJson(backstay.url, SIGN_IN, { cookie: true });
  expect(await knownBy(backstay.url, withCookie(givenCookie(reply)))).toBe(`${reply.json.account.id} by cookie`);
  const foreign = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  expect((await connectJson(backstay.url, SIGN_IN, { cookie: true }, foreign)).reason).toBe("CROSS_SITE");
});

it("shows in the list of devices how it was made, and in the audit log", async () => {
  const { account, deviceId } = await signIn({ deviceName: "Kiosk" });
  const sql = openDatabase(backstay);
  const devices = await sql`select name, method from backstay.devices where account_id = ${account.id}`;
  expect([...devices]).toEqual([{ name: "Kiosk", method: "anonymous" }]);
  const told =
    await sql`select detail from backstay.audit_inbox where account_id = ${account.id} and type = 'sign_in.ok'
    union all select detail from backstay.audit_log where account_id = ${account.id} and type = 'sign_in.ok'`;
  expect(told.map(({ detail }) => JSON.parse(detail))).toEqual([{ method: "anonymous", device: deviceId }]);
});

it("is off in serve unless it is turned on", async () => {
  const serve = await startBackstay({}, { development: false });
  expect(await curlRefused(serve, SIGN_IN, {})).toMatchObject({ code: "permission_denied", reason: "ANONYMOUS_OFF" });
  await serve.stop();
});

it("is closed where registration is: it makes an account", async () => {
  const closed = await startBackstay({ "auth.anonymous": "on", "accounts.open_registration": "off" });
  const refused = { code: "permission_denied", reason: "REGISTRATION_CLOSED", fields: [] };
  expect(await curlRefused(closed, SIGN_IN, {})).toEqual(refused);
  expect(await openDatabase(closed)`select 1 from backstay.identities where kind = 'anonymous'`).toHaveLength(0);
  await closed.stop();
});

it.each([
  ["a name that is too long", { name: "x".repeat(129) }, "name"],
  ["a name of two lines", { name: "Ada\nBen" }, "name"],
  ["a device's name of two lines", { deviceName: "Kiosk\nPhone" }, "deviceName"],
])("refuses %s", async (_, body, field) => {
  expect(await curlRefused(backstay, SIGN_IN, body)).toEqual({
    code: "invalid_argument",
    reason: "INVALID_FIELD",
    fields: [field],
  });
});

describe("an account that nobody can come back to", () => {
  const forget = () => runJob(backstay, "backstay.auth.forget_anonymous");
  const isThere = async (id: string) =>
    (await openDatabase(backstay)`select 1 from backstay.accounts where id = ${id}`).length > 0;

  it("is deleted with all that is its, once no sign-in could have lasted so long", async () => {
    const { account, tokens } = await signIn();
    const ada = await backstay.signUp();
    const sent = { recipientId: account.id, text: "Hi" };
    await curl(backstay, "messages.v1.MessageService/SendMessage", sent, ada.token);
    clock.advance(11 * DAY);
    await forget();
    expect(await isThere(account.id)).toBe(true);
    clock.advance(20 * DAY);
    await forget();
    expect(await isThere(account.id)).toBe(false);
    expect(await knownBy(backstay.url, bearer(tokens.accessToken))).toBe("INVALID_TOKEN");
    const left = await openDatabase(backstay)`select 1 from backstay.messages where recipient_id = ${account.id}`;
    expect(left).toHaveLength(0);
    expect(await isThere(ada.id)).toBe(true);
  });

  it("is kept while a token lives, an API key, or another way in", async () => {
    const [refreshed, keyed, expired, upgraded] = [await signIn(), await signIn(), await signIn(), await signIn()];
    const keyOf = ({ tokens }: SignedIn, body: object) =>
      curl(backstay, "auth.v1.AuthService/CreateApiKey", { name: "k", scopes: ["*"], ...body }, tokens.accessToken);
    await keyOf(keyed, {});
    await keyOf(expired, { expireTime: new Date(clock.now().getTime() + DAY).toISOString() });
    const login = { login: "upgraded guest", secret: "its secret" };
    await curl(backstay, "auth.v1.AuthService/UpgradeAnonymous", login, upgraded.tokens.accessToken);
    let { refreshToken } = refreshed.tokens;
    for (let days = 0; days < 27; days += 9) {
      clock.advance(9 * DAY);
      const { tokens } = await curl<SignedIn>(backstay, "auth.v1.AuthService/Refresh", { refreshToken });
      refreshToken = tokens.refreshToken;
    }
    clock.advance(2 * DAY);
    await forget();
    expect(await isThere(expired.account.id)).toBe(true);
    clock.advance(DAY + 1);
    await forget();
    const kept = [];
    for (const { account } of [refreshed, keyed, expired, upgraded]) kept.push(await isThere(account.id));
    expect(kept).toEqual([false, true, false, true]);
  });
});
