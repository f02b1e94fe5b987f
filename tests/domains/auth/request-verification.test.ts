import { afterAll, beforeAll, expect, it } from "vitest";
import { startBackstay } from "../../support/backstay.js";
import { curl, curlRefused, eventually, openDatabase, operatorToken, within } from "../support.js";
import { codeIn, type Mailed, newAddress, setEmail, startMailed } from "./mailed.js";

const REQUEST = "auth.v1.AuthService/RequestVerification";

let mailed: Mailed;
beforeAll(async () => {
  mailed = await startMailed({ "app.name": "The <b>Café</b>" });
});
afterAll(() => mailed.stop());

const ask = (token: string) => curl(mailed.backstay, REQUEST, {}, token);
async function person() {
  const made = await mailed.backstay.signUp();
  const email = newAddress();
  await setEmail(mailed.backstay, made, email);
  return { ...made, email };
}

it("mails a code of eight digits, in plain text, to the address of the caller's account", async () => {
  const { token, email } = await person();
  expect(await ask(token)).toEqual({});
  const mail = await mailed.mailTo(email);
  expect(codeIn(mail)).toMatch(/^\d{4} \d{4}$/);
  expect(mail.raw).toMatch(/^content-type: text\/plain/im);
  expect(mail.raw).not.toMatch(/https?:/);
});

it("says for whose account it is, in words that hold no link and no line of a stranger's", async () => {
  for (const [name, shown] of [
    ["Ada Lovelace", "Ada Lovelace"],
    ["Zoë O'Neil-王", "Zoë O'Neil-王"],
    ["Eve\r\n\r\n    1234 5678\r\nhttps://evil.example/?a=b", "Eve 1234 5678 https evil example a b"],
    ["x".repeat(128), "x".repeat(40)],
    ["...", "without a name"],
  ]) {
    const { id, token, email } = await person();
    // As it may stand there from before names had to be one line.
    await openDatabase(mailed.backstay)`update backstay.accounts set name = ${name!} where id = ${id}`;
    await ask(token);
    const { text } = await mailed.mailTo(email);
    expect(text.replace(/\s+/g, " ")).toContain(`is yours, for the account "${shown}":`);
  }
});

it("sends one mail to somebody who clicks twice", async () => {
  const { token, email } = await person();
  await Promise.all([ask(token), ask(token), ask(token)]);
  const code = codeIn(await mailed.mailTo(email));
  await ask(token);
  const { token: other, email: elsewhere } = await person();
  await ask(other);
  await mailed.mailTo(elsewhere);
  expect(mailed.smtp.mails.filter(({ to }) => to === email).map(codeIn)).toEqual([code]);
});

it("sends another code to an address that was corrected at once", async () => {
  const ada = await person();
  await ask(ada.token);
  await mailed.mailTo(ada.email);
  const corrected = newAddress();
  await setEmail(mailed.backstay, ada, corrected);
  await ask(ada.token);
  codeIn(await mailed.mailTo(corrected));
});

it("refuses whoever has no address, nobody at all, and the installation's command line", async () => {
  const { token } = await mailed.backstay.signUp();
  const refused = (by?: string) => curlRefused(mailed.backstay, REQUEST, {}, by);
  expect(await refused(token)).toMatchObject({ code: "failed_precondition", reason: "EMAIL_MISSING" });
  expect(await refused()).toMatchObject({ reason: "TOKEN_MISSING" });
  expect(await refused(operatorToken(mailed.backstay))).toMatchObject({ reason: "ACCOUNT_REQUIRED" });
});

it("keeps the code out of the log, the job, the outbox and the audit log, and the address out of the job", async () => {
  const { id, token, email } = await person();
  await ask(token);
  const code = codeIn(await mailed.mailTo(email)).replace(" ", "");
  const sql = openDatabase(mailed.backstay);
  const done = () => sql`select state from backstay.jobs where args->>'accountId' = ${id} and state = 4`;
  await eventually(5_000, "the job done", async () => ((await done()).length > 0 ? true : undefined));
  const [kept] = await sql`select
    (select coalesce(string_agg(j::text, ' '), '') from backstay.jobs j where args->>'accountId' = ${id}) as jobs,
    (select coalesce(string_agg(o::text, ' '), '') from backstay.outbox o) as outbox,
    (select coalesce(string_agg(e::text, ' '), '') from backstay.events e) as events,
    (select coalesce(string_agg(a::text, ' '), '') from backstay.audit_inbox a) as inbox,
    (select coalesce(string_agg(a::text, ' '), '') from backstay.audit_log a) as audit,
    (select string_agg(c::text, ' ') from backstay.one_time_codes c) as codes`;
  expect(kept!.jobs).toContain(id);
  expect(kept!.codes).toContain(email);
  for (const text of [...Object.values(kept!), mailed.backstay.log()]) {
    expect(text).not.toContain(code);
    expect(text).not.toContain(`${code.slice(0, 4)} ${code.slice(4)}`);
  }
  expect(kept!.jobs).not.toContain(email);
  expect(mailed.backstay.log()).not.toContain(email);
});

it("is tried again when the server wants it to be, with another code each time", async () => {
  const strict = await startMailed({}, { smtp: { refuse: [451] } });
  const ada = await strict.backstay.signUp();
  const email = newAddress();
  await setEmail(strict.backstay, ada, email);
  await curl(strict.backstay, REQUEST, {}, ada.token);
  const sql = openDatabase(strict.backstay);
  const code = codeIn(await strict.mailTo(email));
  await curl(strict.backstay, "auth.v1.AuthService/Verify", { email, code });
  const [job] = await sql`select attempts, last_error from backstay.jobs where name = 'backstay.auth.send_code'`;
  expect(job).toEqual({ attempts: 2, last_error: expect.stringContaining("the mail server answered 451 to RCPT TO") });
  expect(job!.last_error).not.toContain("@");
  await strict.stop();
});

it("says in serve without a mail server that nothing is sent, and lets the job die with the reason", async () => {
  const backstay = await startBackstay({}, { development: false });
  expect(backstay.log().match(/mails are not sent: set mail.smtp_url/g)).toHaveLength(1);
  const ada = await backstay.signUp();
  await setEmail(backstay, ada, newAddress());
  await curl(backstay, REQUEST, {}, ada.token);
  const sql = openDatabase(backstay);
  const dead = await eventually(5_000, "the job dead", async () => {
    const [job] =
      await sql`select attempts, last_error from backstay.jobs where name = 'backstay.auth.send_code' and state = 5`;
    return job;
  });
  expect(dead.attempts).toBe(1);
  expect(dead.last_error).toContain("mails are not sent: set mail.smtp_url");
  await backstay.stop();
});

it("is asked for a few times by an account, or for an address, and then too many times", async () => {
  const strict = await startMailed({ "limits.rate": "on", "limits.secrets_per_minute": "1000" });
  const [ada, ben] = [await strict.backstay.signUp(), await strict.backstay.signUp()];
  const email = newAddress();
  for (const one of [ada, ben]) await setEmail(strict.backstay, one, email);
  const strictly = (token: string) => within(5_000, curl(strict.backstay, REQUEST, {}, token), "the answer");
  for (let asked = 0; asked < 5; asked++) await strictly(ada.token);
  const tooMany = { code: "resource_exhausted", reason: "TOO_MANY_TRIES" };
  expect(await curlRefused(strict.backstay, REQUEST, {}, ada.token)).toMatchObject(tooMany);
  expect(await curlRefused(strict.backstay, REQUEST, {}, ben.token)).toMatchObject(tooMany);
  await strict.stop();
});
