import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { standingStream } from "../stream.js";
import { bearer, curl, curlRefused, openDatabase, refusedJson, testClock } from "../support.js";
import { knownBy } from "./cookies.js";
import { codeIn, type Mailed, newAddress, otherCode, setEmail, startMailed } from "./mailed.js";

const RESET = "auth.v1.AuthService/ResetSecret";
const WRONG = { code: "permission_denied", reason: "INVALID_CODE", fields: ["code"] };
const FRESH = "a new secret of ada";

const clock = testClock();
let mailed: Mailed;
beforeAll(async () => {
  const settings = { "auth.secret_min_length": "8", "auth.access_ttl": "30d" };
  mailed = await startMailed(settings, { overrides: { clock } });
});
afterAll(() => mailed.stop());

const reset = (body: object, token?: string) => curl(mailed.backstay, RESET, body, token);
const refused = (body: object) => curlRefused(mailed.backstay, RESET, body);
const ask = (login: string) => curl(mailed.backstay, "auth.v1.AuthService/RequestSecretReset", { login });
const signIn = (login: string, secret: string) =>
  connectJson(mailed.backstay.url, "auth.v1.AuthService/SignIn", { login, secret });

/** Somebody who has a code. */
async function asked() {
  const person = await mailed.verified();
  await ask(person.login);
  return { ...person, code: codeIn(await mailed.mailTo(person.email)) };
}

it("makes the new secret the one to sign in with, and the old one wrong", async () => {
  const { id, login, code, secret } = await asked();
  expect(await reset({ login, code, secret: FRESH })).toEqual({});
  expect((await signIn(login, FRESH)).json.account.id).toBe(id);
  expect((await signIn(login, secret)).reason).toBe("INVALID_CREDENTIALS");
});

it("takes the verified address in the place of the login, whichever the code was asked for with", async () => {
  const { login, email, code } = await asked();
  await reset({ login: email.toUpperCase(), code: code.replace(" ", "-"), secret: FRESH });
  expect((await signIn(login, FRESH)).status).toBe(200);
});

it("ends every sign-in, with its streams within a second, whoever asks", async () => {
  const { login, code, token, secret } = await asked();
  const { accessToken, refreshToken } = (await signIn(login, secret)).json.tokens;
  const stream = await standingStream(mailed.backstay, token);
  await reset({ login, code, secret: FRESH }, token);
  expect((await stream.end(1_000)).refused).toMatchObject({ reason: "TOKEN_REVOKED" });
  for (const one of [token, accessToken]) expect(await knownBy(mailed.backstay.url, bearer(one))).toBe("INVALID_TOKEN");
  expect(await curlRefused(mailed.backstay, "auth.v1.AuthService/Refresh", { refreshToken })).toMatchObject({
    reason: "INVALID_TOKEN",
  });
});

it("writes that into the audit log, and no secret or code anywhere", async () => {
  const { id, login, code } = await asked();
  await reset({ login, code, secret: "a secret that stands nowhere" });
  const sql = openDatabase(mailed.backstay);
  const entries = await sql`select type, detail from (
    select type, detail, account_id from backstay.audit_inbox
    union all select type, detail, account_id from backstay.audit_log) a
    where account_id = ${id} and type = 'secret.reset'`;
  expect([...entries]).toEqual([{ type: "secret.reset", detail: "{}" }]);
  const [all] = await sql`select
    (select string_agg(j::text, ' ') from backstay.jobs j) || ' ' ||
    (select coalesce(string_agg(o::text, ' '), '') from backstay.outbox o) || ' ' ||
    (select coalesce(string_agg(e::text, ' '), '') from backstay.events e) || ' ' ||
    (select coalesce(string_agg(a::text, ' '), '') from backstay.audit_inbox a) || ' ' ||
    (select coalesce(string_agg(a::text, ' '), '') from backstay.audit_log a) || ' ' ||
    (select string_agg(i::text, ' ') from backstay.identities i) as rows`;
  for (const text of [all!.rows, mailed.backstay.log()]) {
    for (const secret of [code, code.replace(" ", ""), "stands nowhere"]) expect(text).not.toContain(secret);
  }
});

it("lets whoever could sign with the old secret sign with the new one, and nobody else", async () => {
  const { login, email, secret, token } = await mailed.verified();
  const current = "auth.v1.AuthService/GetCurrent";
  const url = `${mailed.backstay.url}/backstay.${current}`;
  const signed = (by: string) => ({
    "bk-signature": sign({
      login,
      secret: by,
      method: "POST",
      url,
      contentType: "application/json",
      expires: clock.now().getTime() + 60_000,
    }),
  });
  const resetTo = async (fresh: string) => {
    await mailed.askAgain();
    await ask(login);
    await reset({ login, code: codeIn(await mailed.mailTo(email)), secret: fresh });
  };
  await curl(
    mailed.backstay,
    "auth.v1.AuthService/ChangeSecret",
    { old: secret, new: "second secret", signatures: true },
    token,
  );
  await resetTo("third secret");
  expect(await knownBy(mailed.backstay.url, signed("third secret"))).toMatch(/ by signature$/);
  expect(await knownBy(mailed.backstay.url, signed("second secret"))).toBe("INVALID_SIGNATURE");
  const plain = await mailed.verified();
  await ask(plain.login);
  await reset({ login: plain.login, code: codeIn(await mailed.mailTo(plain.email)), secret: FRESH });
  const sql = openDatabase(mailed.backstay);
  const sealed =
    await sql`select secret_sealed from backstay.identities where account_id = ${plain.id} and kind = 'login'`;
  expect([...sealed]).toEqual([{ secret_sealed: null }]);
});

it("gives an account that has no login its verified address as one", async () => {
  const { id, email } = await mailed.verified();
  const sql = openDatabase(mailed.backstay);
  await sql`update backstay.identities set kind = 'anonymous', secret_phc = null where account_id = ${id} and kind = 'login'`;
  await ask(email);
  await reset({ login: email, code: codeIn(await mailed.mailTo(email)), secret: FRESH });
  expect((await signIn(email, FRESH)).json.account).toMatchObject({ id, login: email });
  const kinds = await sql`select kind from backstay.identities where account_id = ${id} order by kind`;
  expect(kinds.map(({ kind }) => kind)).toEqual(["email", "login"]);
});

describe("a code", () => {
  it("serves once, also when it is shown twice at the same time", async () => {
    const { login, code } = await asked();
    const answers = await Promise.all(
      ["first", "other"].map((which) =>
        connectJson(mailed.backstay.url, RESET, { login, code, secret: `the ${which} of two` }),
      ),
    );
    expect(answers.map(({ status, reason }) => (status === 200 ? "ok" : reason)).sort()).toEqual([
      "INVALID_CODE",
      "ok",
    ]);
    const won = answers[0]!.status === 200 ? "first" : "other";
    expect((await signIn(login, `the ${won} of two`)).status).toBe(200);
    expect(await refused({ login, code, secret: FRESH })).toEqual(WRONG);
  });

  it("is void after five wrong ones", async () => {
    const { login, code, secret } = await asked();
    for (let tries = 0; tries < 5; tries++) {
      expect(await refused({ login, code: otherCode(code), secret: FRESH })).toEqual(WRONG);
    }
    expect(await refused({ login, code, secret: FRESH })).toEqual(WRONG);
    expect((await signIn(login, secret)).status).toBe(200);
  });

  it("is void once another was sent, and after its time", async () => {
    const { login, email, code } = await asked();
    await mailed.askAgain();
    await ask(login);
    const second = codeIn(await mailed.mailTo(email));
    expect(await refused({ login, code, secret: FRESH })).toEqual(WRONG);
    clock.advance(15 * 60_000);
    expect(await refused({ login, code: second, secret: FRESH })).toEqual(WRONG);
  });

  it("is void when the address is changed, or the account banned", async () => {
    const [changed, banned] = [await asked(), await asked()];
    await setEmail(mailed.backstay, changed, newAddress());
    await openDatabase(mailed.backstay)`update backstay.accounts set status = 'banned' where id = ${banned.id}`;
    for (const { login, code } of [changed, banned])
      expect(await refused({ login, code, secret: FRESH })).toEqual(WRONG);
  });

  it("of verification resets nothing", async () => {
    const ada = await mailed.verified();
    await mailed.askAgain();
    await curl(mailed.backstay, "auth.v1.AuthService/RequestVerification", {}, ada.token);
    const code = codeIn(await mailed.mailTo(ada.email));
    expect(await refused({ login: ada.login, code, secret: FRESH })).toEqual(WRONG);
  });

  it("is refused in the same words when it is wrong, when nobody asked for one, and when nobody has the login", async () => {
    const { login, code } = await asked();
    const other = await mailed.verified();
    const answer = async (body: object) => {
      const { status, json } = await call(mailed.backstay.url, RESET, { secret: FRESH, ...body });
      return { status, json };
    };
    const wrong = await answer({ login, code: otherCode(code) });
    expect(refusedJson(wrong.json)).toEqual(WRONG);
    expect(await answer({ login: other.login, code })).toEqual(wrong);
    expect(await answer({ login: "nobody at all", code })).toEqual(wrong);
    expect(await answer({ login, code: "no code" })).toEqual(wrong);
  });
});

it("tells of a secret that is too short before it looks at the code", async () => {
  const { login, code } = await asked();
  const short = { code: "invalid_argument", reason: "SECRET_TOO_SHORT", fields: ["secret"] };
  expect(await refused({ login, code, secret: "seven77" })).toEqual(short);
  expect(await refused({ login: "nobody at all", code: "1", secret: "seven77" })).toEqual(short);
  await reset({ login, code, secret: FRESH });
});

it("counts wrong codes by the login, whether anybody has it or not", async () => {
  const strict = await startMailed({ "limits.rate": "on", "limits.secrets_per_minute": "1000" });
  const person = await strict.backstay.signUp();
  for (const login of [person.login, "nobody at all"]) {
    const body = { login, code: "1234 5678", secret: FRESH };
    for (let tries = 0; tries < 5; tries++) {
      expect(await curlRefused(strict.backstay, RESET, body)).toEqual(WRONG);
    }
    expect(await curlRefused(strict.backstay, RESET, body)).toMatchObject({ reason: "TOO_MANY_TRIES" });
  }
  await strict.stop();
});
