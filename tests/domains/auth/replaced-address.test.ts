import { afterAll, beforeAll, expect, it } from "vitest";
import { curl, eventually, openDatabase, operatorToken, testClock } from "../support.js";
import { codeIn, type Mailed, newAddress, setEmail, startMailed } from "./mailed.js";

const HOUR = 3_600_000;

const clock = testClock();
let mailed: Mailed;
beforeAll(async () => {
  const settings = { "auth.access_ttl": "30d", "app.name": "House of Ada" };
  mailed = await startMailed(settings, { overrides: { clock } });
});
afterAll(() => mailed.stop());

const auth = (verb: string, body: object, token?: string) =>
  curl(mailed.backstay, `auth.v1.AuthService/${verb}`, body, token);

/** Shows that an address is the account's, as whoever reads its mails can. */
async function verify(token: string, email: string): Promise<void> {
  await mailed.askAgain();
  await auth("RequestVerification", {}, token);
  await auth("Verify", { email, code: codeIn(await mailed.mailTo(email)) }, token);
}

/** Asks for a new secret, and answers how many mails that sent. */
async function mailsForReset(login: string): Promise<number> {
  await mailed.askAgain();
  const before = mailed.smtp.mails.length;
  await auth("RequestSecretReset", { login });
  const sql = openDatabase(mailed.backstay);
  await eventually(10_000, "all jobs done", async () => {
    const jobs =
      await sql`select 1 from backstay.jobs where name like 'backstay.auth.send_code' and finished_at is null`;
    return jobs.length === 0 ? true : undefined;
  });
  return mailed.smtp.mails.length - before;
}

it("is told when another takes its place, whoever enters that", async () => {
  for (const by of [undefined, operatorToken(mailed.backstay)]) {
    const ada = await mailed.verified();
    const update = { account: { id: ada.id, email: newAddress() }, updateMask: "email" };
    await curl(mailed.backstay, "accounts.v1.AccountService/UpdateAccount", update, by ?? ada.token);
    const { subject, text } = await mailed.mailTo(ada.email);
    expect(subject).toBe("House of Ada: your e-mail address was changed");
    expect(text).toMatch(/^The e-mail address of your account at House of Ada\nwas changed or taken away/);
    expect(text).not.toContain(update.account.email);
  }
});

it("is told when it is taken away, by either way", async () => {
  const [ada, ben] = [await mailed.verified(), await mailed.verified()];
  await setEmail(mailed.backstay, ada, "");
  await mailed.mailTo(ada.email);
  const { identities } = await curl<{ identities: { id: string; kind: string }[] }>(
    mailed.backstay,
    "auth.v1.AuthService/ListIdentities",
    {},
    ben.token,
  );
  await auth("UnlinkIdentity", { id: identities.find(({ kind }) => /email/i.test(kind))!.id }, ben.token);
  await mailed.mailTo(ben.email);
});

it("is told nothing when it was not verified, or is entered again", async () => {
  const ada = await mailed.verified();
  const ben = { ...(await mailed.backstay.signUp()), email: newAddress() };
  await setEmail(mailed.backstay, ben, ben.email);
  await setEmail(mailed.backstay, ben, newAddress());
  await setEmail(mailed.backstay, ada, ada.email);
  const sql = openDatabase(mailed.backstay);
  const jobs = async () =>
    (await sql`select count(*)::int as n from backstay.jobs where name = 'backstay.accounts.tell_replaced'`)[0]!.n;
  const before = await jobs();
  await setEmail(mailed.backstay, ada, newAddress());
  await mailed.mailTo(ada.email);
  expect((await jobs()) - before).toBe(1);
  expect(mailed.smtp.mails.filter(({ to }) => to === ben.email)).toEqual([]);
});

it("stands in no job and no log where others can read it", async () => {
  const ada = await mailed.verified();
  await setEmail(mailed.backstay, ada, newAddress());
  await mailed.mailTo(ada.email);
  const rows = await openDatabase(mailed.backstay)`select j::text as row from backstay.jobs j
    where name = 'backstay.accounts.tell_replaced'`;
  for (const text of [...rows.map(({ row }) => row), mailed.backstay.log()]) expect(text).not.toContain(ada.email);
});

it("a sign-in that somebody has got hold of sets no new secret by an address of his own, for a day", async () => {
  const ada = await mailed.verified();
  const eves = newAddress();
  await setEmail(mailed.backstay, ada, eves);
  await mailed.mailTo(ada.email);
  await verify(ada.token, eves);
  for (const login of [ada.login, eves]) expect(await mailsForReset(login)).toBe(0);
  clock.advance(24 * HOUR - 1_000);
  expect(await mailsForReset(ada.login)).toBe(0);
  clock.advance(1_000);
  expect(await mailsForReset(ada.login)).toBe(1);
});

it("nor after the address was taken away first, in one step or two", async () => {
  for (const steps of [[""], ["", newAddress(), ""]]) {
    const ada = await mailed.verified();
    const eves = newAddress();
    for (const email of [...steps, eves]) await setEmail(mailed.backstay, ada, email);
    await mailed.mailTo(ada.email);
    await verify(ada.token, eves);
    expect(await mailsForReset(ada.login)).toBe(0);
  }
});

it("the first address of an account serves at once", async () => {
  const ada = await mailed.backstay.signUp();
  await setEmail(mailed.backstay, ada, newAddress());
  const corrected = newAddress();
  await setEmail(mailed.backstay, ada, corrected);
  await verify(ada.token, corrected);
  expect(await mailsForReset(ada.login)).toBe(1);
});
