import { createHash } from "node:crypto";
import { hash } from "@node-rs/argon2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { curl, curlRefused, openDatabase, refusedJson, testClock, upTo } from "../support.js";

const SIGN_IN = "auth.v1.AuthService/SignIn";

interface SignedIn {
  account: { id: string; login: string };
  tokens: { accessToken: string; accessExpireTime: string; refreshToken: string; refreshExpireTime: string };
  deviceId: string;
}

let backstay: TestBackstay;
let ada: Person;
const clock = testClock("2031-02-03T04:05:06Z");
beforeAll(async () => {
  backstay = await startBackstay({}, { overrides: { clock } });
  ada = await backstay.signUp("Ada");
});
afterAll(() => backstay.stop());

const signIn = (login = ada.login, secret = ada.secret) => curl<SignedIn>(backstay, SIGN_IN, { login, secret });

it("answers the whole account and tokens for 15 minutes and 14 days", async () => {
  const { account, tokens } = await signIn();
  expect(account).toMatchObject({ id: ada.id, login: "Ada" });
  expect(tokens.accessToken).toMatch(/^bs_at_[A-Za-z0-9_-]{43}$/);
  expect(tokens.refreshToken).toMatch(/^bs_rt_[A-Za-z0-9_-]{43}$/);
  expect(tokens.accessExpireTime).toBe("2031-02-03T04:20:06Z");
  expect(tokens.refreshExpireTime).toBe("2031-02-17T04:05:06Z");
});

it.each(["ada", "ADA", "ａｄａ"])("knows the login in any case and Unicode form: %s", async (login) => {
  expect((await signIn(login)).account.id).toBe(ada.id);
});

it("makes a sign-in of its own each time, with its own tokens", async () => {
  const [first, second] = [await signIn(), await signIn()];
  expect(first.deviceId).toMatch(/^[0-9a-f]{32}$/);
  expect(second.deviceId).not.toBe(first.deviceId);
  expect(second.tokens.accessToken).not.toBe(first.tokens.accessToken);
  expect(second.tokens.refreshToken).not.toBe(first.tokens.refreshToken);
});

it("keeps only the hashes of tokens", async () => {
  const { tokens, deviceId } = await signIn();
  const sql = openDatabase(backstay);
  const rows = await sql`select kind, token_hash from backstay.grants where family_id = ${deviceId} order by kind`;
  const sha256 = (text: string) => createHash("sha256").update(text).digest();
  expect(rows.map(({ kind, token_hash }) => [kind, token_hash])).toEqual([
    ["access", sha256(tokens.accessToken)],
    ["refresh", sha256(tokens.refreshToken)],
  ]);
});

describe("a refusal", () => {
  it("case 23: is the same, byte for byte, for an unknown login and a wrong secret", async () => {
    const answer = async (login: string, secret: string) => {
      const response = await fetch(`${backstay.url}/backstay.${SIGN_IN}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-request-id": "one" },
        body: JSON.stringify({ login, secret }),
      });
      const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== "date"));
      return { status: response.status, headers, body: await response.text() };
    };
    const wrong = await answer("Ada", "wrong");
    expect(await answer("nobody", "wrong")).toEqual(wrong);
    expect(await answer("nobody", ada.secret)).toEqual(wrong);
    expect(wrong.status).toBe(401);
    expect(refusedJson(JSON.parse(wrong.body))).toEqual({
      code: "unauthenticated",
      reason: "INVALID_CREDENTIALS",
      fields: [],
    });
  });

  it("costs as much for an unknown login as for a wrong secret", async () => {
    const time = async (login: string) => {
      const began = performance.now();
      await curlRefused(backstay, SIGN_IN, { login, secret: "wrong" });
      return performance.now() - began;
    };
    await time("nobody");
    const known: number[] = [];
    const unknown: number[] = [];
    for (const n of upTo(15)) {
      known.push(await time("Ada"));
      unknown.push(await time(`nobody ${n}`));
    }
    // The machine is shared: what is to be seen is that the secret is hashed at all, which is nearly all of the time.
    expect(median(unknown)).toBeGreaterThan(median(known) / 2);
    expect(median(unknown)).toBeLessThan(median(known) * 2);
  });

  it.each([
    ["an empty secret", { login: "Ada", secret: "" }, "INVALID_FIELD", "secret"],
    ["an empty login", { login: "", secret: "x" }, "INVALID_FIELD", "login"],
    ["a secret of more than 256 bytes", { login: "Ada", secret: "ä".repeat(129) }, "INVALID_FIELD", "secret"],
    ["a login with an invisible character", { login: "A\u200Bda", secret: "x" }, "INVALID_LOGIN", "login"],
    ["a device's name of two lines", { login: "Ada", secret: "x", deviceName: "a\nb" }, "INVALID_FIELD", "deviceName"],
  ])("of %s names the field, before anything is hashed", async (_, body, reason, field) => {
    expect(await curlRefused(backstay, SIGN_IN, body)).toEqual({ code: "invalid_argument", reason, fields: [field] });
  });
});

it("case 26: is bounded: of many at once some are told to come back, the others are served, and Ping does not wait", async () => {
  const { login, secret } = ada;
  let done = false;
  const flood = Promise.all(upTo(150).map(() => call(backstay.url, SIGN_IN, { login, secret }))).finally(() => {
    done = true;
  });
  const ping = await call(backstay.url, "system.v1.SystemService/Ping", {});
  expect([ping.status, done]).toEqual([200, false]);
  const answers = await flood;
  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status !== 200);
  // Two are compared and 64 wait, whatever comes.
  expect(served.length).toBeGreaterThanOrEqual(66);
  expect(refused.length).toBeGreaterThan(0);
  for (const { status, json } of refused) {
    expect(status).toBe(429);
    expect(refusedJson(json)).toEqual({ code: "resource_exhausted", reason: "TOO_MANY_SIGN_INS", fields: [] });
    expect(json.details).toContainEqual(
      expect.objectContaining({ type: "google.rpc.RetryInfo", debug: { retryDelay: "1s" } }),
    );
  }
  expect((await signIn()).account.id).toBe(ada.id);
});

it("is counted by address where rates are limited, whoever is asked for", async () => {
  const strict = await startBackstay({ "limits.rate": "on" });
  // 30 at once, and one more every two seconds.
  const refusals = await Promise.all(
    upTo(45).map((n) => curlRefused(strict, SIGN_IN, { login: `nobody ${n}`, secret: "wrong" })),
  );
  const counted = refusals.filter(({ reason }) => reason === "INVALID_CREDENTIALS");
  expect(counted.length).toBeGreaterThanOrEqual(30);
  const limited = refusals.filter(({ reason }) => reason === "RATE_LIMITED");
  expect(limited.length).toBe(45 - counted.length);
  expect(limited.length).toBeGreaterThan(0);
  await strict.stop();
});

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

describe("by an address that the account has verified", () => {
  const email = "Ada.Lovelace@Example.org";

  /** As a code that was shown does it. */
  async function verify(accountId: string, subject = email.toLowerCase()): Promise<void> {
    const sql = openDatabase(backstay);
    await sql`update backstay.accounts set email = ${email}, email_verified_at = ${clock.now()} where id = ${accountId}`;
    await sql`insert into backstay.identities (id, account_id, kind, subject, label, created_at)
      values (gen_random_uuid(), ${accountId}, 'email', ${subject}, ${email}, ${clock.now()})`;
  }

  it("signs in with the secret of the account's login, in any case", async () => {
    const person = await backstay.signUp();
    expect(await curlRefused(backstay, SIGN_IN, { login: email, secret: person.secret })).toMatchObject({
      reason: "INVALID_CREDENTIALS",
    });
    await verify(person.id);
    for (const typed of [email, email.toUpperCase()])
      expect((await signIn(typed, person.secret)).account.id).toBe(person.id);
    expect((await signIn(person.login, person.secret)).account.id).toBe(person.id);
    const wrong = await curlRefused(backstay, SIGN_IN, { login: email, secret: "wrong" });
    expect(wrong).toEqual({ code: "unauthenticated", reason: "INVALID_CREDENTIALS", fields: [] });
  });

  it("comes after whoever had it as login before", async () => {
    const [first, second] = [await backstay.signUp("both@example.org"), await backstay.signUp()];
    clock.advance(1);
    await verify(second.id, "both@example.org");
    expect((await signIn("both@example.org", first.secret)).account.id).toBe(first.id);
    const other = await curlRefused(backstay, SIGN_IN, { login: "both@example.org", secret: second.secret });
    expect(other.reason).toBe("INVALID_CREDENTIALS");
  });
});

describe("a secret that is kept by a weak hash", () => {
  // Of "correct horse", with a memory of 8 KiB.
  let weak: string;
  beforeAll(async () => {
    weak = await hash("correct horse", { memoryCost: 8, timeCost: 1, parallelism: 1 });
  });
  const keep = (accountId: string) =>
    openDatabase(backstay)`update backstay.identities set secret_phc = ${weak} where account_id = ${accountId}`;
  const kept = async (accountId: string) => {
    const [row] = await openDatabase(backstay)`select secret_phc from backstay.identities
      where account_id = ${accountId} and kind = 'login'`;
    return String(row?.secret_phc);
  };

  it("is kept by a better one after a sign-in, and revokes nothing", async () => {
    const person = await backstay.signUp();
    await keep(person.id);
    const before = await signIn(person.login, "correct horse");
    expect(await kept(person.id)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    await signIn(person.login, "correct horse");
    const { accessToken } = before.tokens;
    await curl(backstay, "auth.v1.AuthService/GetCurrent", {}, accessToken);
    await curl(backstay, "auth.v1.AuthService/GetCurrent", {}, person.token);
  });

  it("stays as it is when the secret was wrong", async () => {
    const person = await backstay.signUp();
    await keep(person.id);
    await curlRefused(backstay, SIGN_IN, { login: person.login, secret: "wrong" });
    expect(await kept(person.id)).toBe(weak);
  });

  it("signs in each of ten who come at once, and is changed afterwards as any other", async () => {
    const person = await backstay.signUp();
    await keep(person.id);
    const all = await Promise.all(upTo(10).map(() => signIn(person.login, "correct horse")));
    expect(all.map(({ account }) => account.id)).toEqual(Array(10).fill(person.id));
    const change = { old: "correct horse", new: "another secret" };
    await curl(backstay, "auth.v1.AuthService/ChangeSecret", change, person.token);
    await signIn(person.login, "another secret");
    expect((await curlRefused(backstay, SIGN_IN, { login: person.login, secret: "correct horse" })).reason).toBe(
      "INVALID_CREDENTIALS",
    );
  });
});
