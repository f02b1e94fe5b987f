import { afterAll, beforeAll, expect, it } from "vitest";
import { curl, openDatabase, operatorToken, testClock } from "../support.js";
import { turnOn } from "./authenticator.js";
import { type Mailed, newAddress, setEmail, startMailed } from "./mailed.js";
import { answered, register } from "./passkey-house.js";

const clock = testClock();
let mailed: Mailed;
beforeAll(async () => {
  mailed = await startMailed({ "app.name": "House of Ada" }, { overrides: { clock } });
});
afterAll(() => mailed.stop());

const auth = <Answer>(verb: string, body: object, token?: string) =>
  curl<Answer>(mailed.backstay, `auth.v1.AuthService/${verb}`, body, token);

/** What the next mail to an address says, in one line. */
const told = async (email: string) => {
  const { subject, text } = await mailed.mailTo(email);
  expect(text).toContain("If that was you, there is nothing to do.");
  return [subject, text.split("\n\n")[0]!.replaceAll("\n", " ")];
};
const says = (what: string) => [
  `House of Ada: your account was given ${what}`,
  `Your account at House of Ada was given ${what}.`,
];
const jobs = (sql: ReturnType<typeof openDatabase>) =>
  sql`select id, args from backstay.jobs where name = 'backstay.accounts.tell_added' order by id`;

it("a verified address is told of a passkey, an authenticator and an API key that its account was given", async () => {
  const ada = await mailed.verified();
  answered((await register(mailed.backstay, ada.token)).reply);
  expect(await told(ada.email)).toEqual(says("a passkey"));
  await turnOn(mailed.backstay, ada.token, clock);
  expect(await told(ada.email)).toEqual(says("an authenticator"));
  await auth("CreateApiKey", { scopes: ["*"] }, ada.token);
  expect(await told(ada.email)).toEqual(says("an API key"));
});

it("whoever makes the key, and of a login that an account without one was given", async () => {
  const ada = await mailed.verified();
  await auth("CreateApiKey", { scopes: ["*"], accountId: ada.id }, operatorToken(mailed.backstay));
  expect(await told(ada.email)).toEqual(says("an API key"));
  const sql = openDatabase(mailed.backstay);
  await sql`delete from backstay.identities where account_id = ${ada.id} and kind = 'login'`;
  await auth("UpgradeAnonymous", { login: "ada again", secret: "long enough" }, ada.token);
  expect(await told(ada.email)).toEqual(says("a login and secret"));
});

it("an address that was not verified is told nothing, and one that was stands in no job to be read", async () => {
  const sql = openDatabase(mailed.backstay);
  const [ada, ben] = [await mailed.verified(), await mailed.backstay.signUp()];
  await setEmail(mailed.backstay, ben, newAddress());
  const before = await jobs(sql);
  await auth("CreateApiKey", { scopes: ["*"] }, ben.token);
  expect(await jobs(sql)).toEqual(before);
  await auth("CreateApiKey", { scopes: ["*"] }, ada.token);
  await told(ada.email);
  expect((await jobs(sql)).length).toBe(before.length + 1);
  expect(JSON.stringify(await jobs(sql))).not.toContain(ada.email);
});

it("a program that makes many keys sends one mail in a minute", async () => {
  const sql = openDatabase(mailed.backstay);
  const ada = await mailed.verified();
  const before = await jobs(sql);
  for (let n = 0; n < 3; n++) await auth("CreateApiKey", { scopes: ["*"] }, ada.token);
  expect((await jobs(sql)).length).toBe(before.length + 1);
});
