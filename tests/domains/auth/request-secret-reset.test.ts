import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../../support/backstay.js";
import { runJob } from "../run-job.js";
import { curl, curlRefused, eventually, openDatabase } from "../support.js";
import { codeIn, type Mailed, newAddress, setEmail, startMailed } from "./mailed.js";

const REQUEST = "auth.v1.AuthService/RequestSecretReset";

let mailed: Mailed;
beforeAll(async () => {
  mailed = await startMailed({ "app.name": "House of Ada" });
});
afterAll(() => mailed.stop());

const ask = (login: string) => curl(mailed.backstay, REQUEST, { login });

/** Waits until every job has ended; answers how. */
async function settled() {
  const sql = openDatabase(mailed.backstay);
  return eventually(10_000, "all jobs done", async () => {
    const jobs =
      await sql`select state, attempts, last_error from backstay.jobs where name = 'backstay.auth.send_code'`;
    return jobs.every(({ state }) => state === 4) ? [...jobs] : undefined;
  });
}

it("mails a code to the verified address of whom the login names, in any case", async () => {
  const { login, email } = await mailed.verified();
  expect(await ask(login.toUpperCase())).toEqual({});
  const mail = await mailed.mailTo(email);
  expect(mail.subject).toBe("House of Ada: a code for a new secret");
  expect(codeIn(mail)).toMatch(/^\d{4} \d{4}$/);
});

it("finds the account by its verified address too", async () => {
  const { email } = await mailed.verified();
  await ask(email.toUpperCase());
  codeIn(await mailed.mailTo(email));
});

describe("answers the same, and sends nothing,", () => {
  const answer = async (login: string) => {
    const { status, json, headers } = await call(mailed.backstay.url, REQUEST, { login });
    const names = [...headers.keys()].filter((name) => name !== "date").sort();
    return { status, json, names };
  };

  it("for a login that nobody has, one without an address, one that is not verified, and one that is banned", async () => {
    const { login } = await mailed.verified();
    const known = await answer(login);
    expect(known).toMatchObject({ status: 200, json: {} });
    await settled();
    const before = mailed.smtp.mails.length;
    const [bare, unverified, banned] = [
      await mailed.backstay.signUp(),
      await mailed.backstay.signUp(),
      await mailed.verified(),
    ];
    await setEmail(mailed.backstay, unverified, newAddress());
    await openDatabase(mailed.backstay)`update backstay.accounts set status = 'banned' where id = ${banned.id}`;
    for (const one of ["nobody at all", bare.login, unverified.login, banned.login, banned.email]) {
      expect(await answer(one)).toEqual(known);
    }
    for (const job of await settled()) expect(job).toEqual({ state: 4, attempts: 1, last_error: null });
    // The one that verified the address of the account that was banned.
    expect(mailed.smtp.mails.length).toBe(before + 1);
  });

  it("after the account's address was changed to one that is not verified", async () => {
    const ada = await mailed.verified();
    await setEmail(mailed.backstay, ada, newAddress());
    await mailed.mailTo(ada.email);
    await settled();
    const before = mailed.smtp.mails.length;
    await ask(ada.login);
    await ask(ada.email);
    await settled();
    expect(mailed.smtp.mails.length).toBe(before);
  });
});

it("sends one mail to somebody who clicks twice, and leaves no login that was typed where others can read it", async () => {
  const { login, email } = await mailed.verified();
  await Promise.all([1, 2, 3].map(() => ask(login)));
  const code = codeIn(await mailed.mailTo(email));
  await ask("my secret, typed in the wrong place");
  await settled();
  expect(mailed.smtp.mails.filter(({ to, subject }) => to === email && /secret/.test(subject)).map(codeIn)).toEqual([
    code,
  ]);
  const sql = openDatabase(mailed.backstay);
  const rows = await sql`select j::text as row from backstay.jobs j where name = 'backstay.auth.send_code'`;
  for (const text of [...rows.map(({ row }) => row), mailed.backstay.log()]) {
    for (const secret of [login, "typed in the wrong", email, code, code.replace(" ", "")]) {
      expect(text).not.toContain(secret);
    }
  }
});

it("writes into the audit log whose secret was asked for, and nothing where it is nobody's", async () => {
  const { id, login, email } = await mailed.verified();
  const sql = openDatabase(mailed.backstay);
  const entries = () => sql`select account_id, detail, actor_kind from (
    select account_id, detail, actor_kind, type from backstay.audit_inbox
    union all select account_id, detail, actor_kind, type from backstay.audit_log) a where type = 'secret.reset_asked'`;
  const before = (await entries()).length;
  await ask(login);
  await ask("nobody whosoever");
  await mailed.mailTo(email);
  await settled();
  const after = await entries();
  expect(after.length).toBe(before + 1);
  expect(after.find(({ account_id }) => account_id.replaceAll("-", "") === id)).toMatchObject({
    detail: "{}",
    actor_kind: "anonymous",
  });
});

it("forgets codes that are past their time", async () => {
  const { id, login, email } = await mailed.verified();
  await ask(login);
  await mailed.mailTo(email);
  await settled();
  const sql = openDatabase(mailed.backstay);
  const kept = () => sql`select purpose from backstay.one_time_codes where account_id = ${id}`;
  await runJob(mailed.backstay, "backstay.auth.prune");
  expect([...(await kept())]).toEqual([{ purpose: "reset-secret" }]);
  await sql`update backstay.one_time_codes set expires_at = now() - interval '1 minute' where account_id = ${id}`;
  await runJob(mailed.backstay, "backstay.auth.prune");
  expect([...(await kept())]).toEqual([]);
});

it("refuses a login that nobody could have, and one that is missing", async () => {
  const refused = (login: string) => curlRefused(mailed.backstay, REQUEST, { login });
  expect(await refused(" ada")).toEqual({ code: "invalid_argument", reason: "INVALID_LOGIN", fields: ["login"] });
  expect(await refused("")).toEqual({ code: "invalid_argument", reason: "INVALID_FIELD", fields: ["login"] });
});

it("is asked for a few times for a login, whether anybody has it or not, and then too many times", async () => {
  const strict = await startMailed({ "limits.rate": "on", "limits.secrets_per_minute": "1000" });
  const { login } = await strict.backstay.signUp();
  const answers = [];
  for (const one of [login, "nobody at all"]) {
    for (let asked = 0; asked < 5; asked++) await curl(strict.backstay, REQUEST, { login: one });
    answers.push(await curlRefused(strict.backstay, REQUEST, { login: one.toUpperCase() }));
  }
  expect(answers[0]).toEqual({ code: "resource_exhausted", reason: "TOO_MANY_TRIES", fields: [] });
  expect(answers[1]).toEqual(answers[0]);
  await strict.stop();
});

it("is kept from nobody by what strangers ask and try of verifying his address", async () => {
  const strict = await startMailed({ "limits.rate": "on", "limits.secrets_per_minute": "1000" });
  const { backstay } = strict;
  const { email } = await strict.verified();
  const stranger = await backstay.signUp();
  await setEmail(backstay, stranger, email);
  for (let asked = 0; asked < 4; asked++) {
    await curl(backstay, "auth.v1.AuthService/RequestVerification", {}, stranger.token);
    await strict.askAgain();
  }
  const guess = { email, code: "1234 5678" };
  for (let tries = 0; tries < 5; tries++) await curlRefused(backstay, "auth.v1.AuthService/Verify", guess);
  expect(await curlRefused(backstay, "auth.v1.AuthService/Verify", guess)).toMatchObject({ reason: "TOO_MANY_TRIES" });
  for (let asked = 0; asked < 2; asked++) {
    await curl(backstay, REQUEST, { login: email });
    await strict.askAgain();
  }
  const wrong = { login: email, code: "1234 5678", secret: "a new secret of his" };
  expect(await curlRefused(backstay, "auth.v1.AuthService/ResetSecret", wrong)).toMatchObject({
    reason: "INVALID_CODE",
  });
  await strict.stop();
});
