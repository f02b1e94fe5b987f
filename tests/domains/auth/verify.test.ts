import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../../support/backstay.js";
import { connectJson } from "../../support/http-request.js";
import { standingStream } from "../stream.js";
import { curl, curlRefused, openDatabase, refusedJson, testClock } from "../support.js";
import { codeIn, type Mailed, newAddress, otherCode, setEmail, startMailed } from "./mailed.js";

const VERIFY = "auth.v1.AuthService/Verify";
const WRONG = { code: "permission_denied", reason: "INVALID_CODE", fields: ["code"] };

const clock = testClock();
let mailed: Mailed;
beforeAll(async () => {
  mailed = await startMailed({ "auth.code_ttl": "10m", "auth.access_ttl": "30d" }, { overrides: { clock } });
});
afterAll(() => mailed.stop());

const verify = (body: object) => curl(mailed.backstay, VERIFY, body);
const refused = (body: object) => curlRefused(mailed.backstay, VERIFY, body);
const ask = (token: string) => curl(mailed.backstay, "auth.v1.AuthService/RequestVerification", {}, token);
const account = (token: string) =>
  curl<{ account: { email: string; emailVerified?: boolean } }>(
    mailed.backstay,
    "accounts.v1.AccountService/GetAccount",
    {},
    token,
  ).then((answer) => answer.account);
const signIn = (login: string, secret: string) =>
  connectJson(mailed.backstay.url, "auth.v1.AuthService/SignIn", { login, secret });

/** Somebody who has a code for an address. */
async function asked(email = newAddress()) {
  const person = await mailed.backstay.signUp();
  await setEmail(mailed.backstay, person, email);
  await ask(person.token);
  return { ...person, email, code: codeIn(await mailed.mailTo(email)) };
}

it("notes that the address is the account's, whoever shows the code", async () => {
  const { email, code, token } = await asked();
  expect((await account(token)).emailVerified).toBeUndefined();
  expect(await verify({ email, code })).toEqual({});
  expect(await account(token)).toMatchObject({ email, emailVerified: true });
});

it("is told to whoever follows the account, and not when the address is another's", async () => {
  const first = await asked();
  const second = await asked(first.email);
  const streams = [
    await standingStream(mailed.backstay, first.token),
    await standingStream(mailed.backstay, second.token),
  ];
  await curl(mailed.backstay, VERIFY, { email: first.email, code: first.code }, first.token);
  expect(await streams[0]!.event(1_000)).toMatchObject({
    type: "account.update",
    actorId: first.id,
    data: { changed: ["email_verified"] },
  });
  const taken = { email: second.email, code: second.code };
  expect((await curlRefused(mailed.backstay, VERIFY, taken, second.token)).reason).toBe("EMAIL_TAKEN");
  await second.client.accounts.updateAccount({ account: { phone: "1" }, updateMask: { paths: ["phone"] } });
  expect((await streams[1]!.event(1_000)).data).toEqual({ changed: ["phone"] });
});

it("makes the address a login, with the secret there is, in any case", async () => {
  const { id, email, code, secret } = await asked();
  expect((await signIn(email, secret)).reason).toBe("INVALID_CREDENTIALS");
  await verify({ email, code });
  expect((await signIn(email.toUpperCase(), secret)).json.account.id).toBe(id);
});

it("takes a code as people type it: with blanks, hyphens, or neither", async () => {
  for (const typed of [(code: string) => code.replace(" ", ""), (code: string) => ` ${code.replace(" ", "-")} `]) {
    const { email, code } = await asked();
    await verify({ email: email.toUpperCase(), code: typed(code) });
  }
});

it("writes that into the audit log, without the code or the address", async () => {
  const { id, email, code } = await asked();
  await verify({ email, code });
  const sql = openDatabase(mailed.backstay);
  const rows =
    await sql`select type, detail from backstay.audit_inbox where account_id = ${id} and type = 'email.verified'
    union all select type, detail from backstay.audit_log where account_id = ${id} and type = 'email.verified'`;
  expect([...rows]).toEqual([{ type: "email.verified", detail: "{}" }]);
});

describe("a code", () => {
  it("serves once, also when it is shown twice at the same time", async () => {
    const { email, code } = await asked();
    const answers = await Promise.all([1, 2, 3].map(() => call(mailed.backstay.url, VERIFY, { email, code })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403, 403]);
    expect(await refused({ email, code })).toEqual(WRONG);
  });

  it("is void once another was sent", async () => {
    const { email, code, token } = await asked();
    await mailed.askAgain();
    await ask(token);
    const second = codeIn(await mailed.mailTo(email));
    expect(await refused({ email, code })).toEqual(WRONG);
    await verify({ email, code: second });
  });

  it("is void after five wrong ones, and wrong ones cost it no more than that", async () => {
    const [patient, careless] = [await asked(), await asked()];
    for (let tries = 0; tries < 4; tries++) {
      expect(await refused({ email: patient.email, code: otherCode(patient.code) })).toEqual(WRONG);
    }
    await verify({ email: patient.email, code: patient.code });
    const wrong = { email: careless.email, code: otherCode(careless.code) };
    await Promise.all([1, 2, 3, 4, 5].map(() => refused(wrong)));
    expect(await refused({ email: careless.email, code: careless.code })).toEqual(WRONG);
  });

  it("is void after its time", async () => {
    const { email, code } = await asked();
    clock.advance(10 * 60_000);
    expect(await refused({ email, code })).toEqual(WRONG);
  });

  it("is void for an address that is not the account's any more", async () => {
    const ada = await asked();
    await setEmail(mailed.backstay, ada, newAddress());
    expect(await refused({ email: ada.email, code: ada.code })).toEqual(WRONG);
    expect((await account(ada.token)).emailVerified).toBeUndefined();
  });

  it("is of its own address alone", async () => {
    const [ada, ben] = [await asked(), await asked()];
    expect(await refused({ email: ben.email, code: ada.code })).toEqual(WRONG);
    expect(await refused({ email: newAddress(), code: ada.code })).toEqual(WRONG);
  });

  it("serves no account that was banned meanwhile", async () => {
    const { id, email, code } = await asked();
    await openDatabase(mailed.backstay)`update backstay.accounts set status = 'banned' where id = ${id}`;
    expect(await refused({ email, code })).toEqual(WRONG);
  });

  it("is refused in the same words when it is wrong, and when nobody asked for one", async () => {
    const { email, code } = await asked();
    const answer = async (body: object) => {
      const { status, json } = await call(mailed.backstay.url, VERIFY, body);
      return { status, json };
    };
    const wrong = await answer({ email, code: otherCode(code) });
    expect(refusedJson(wrong.json)).toEqual(WRONG);
    expect(await answer({ email: newAddress(), code })).toEqual(wrong);
  });
});

describe("an address", () => {
  it("belongs to the first who shows that it is his; others may say so, and are refused", async () => {
    const email = newAddress();
    const ada = await asked(email);
    const ben = await asked(email.toUpperCase().replace("EXAMPLE.COM", "example.com"));
    await verify({ email, code: ada.code });
    expect(await refused({ email, code: ben.code })).toEqual({
      code: "already_exists",
      reason: "EMAIL_TAKEN",
      fields: ["email"],
    });
    expect((await account(ben.token)).emailVerified).toBeUndefined();
  });

  it("belongs to one of two who show it at the same time", async () => {
    const email = newAddress();
    const [ada, ben] = [await asked(email), await asked(email)];
    const answers = await Promise.all(
      [ada, ben].map(({ code }) => connectJson(mailed.backstay.url, VERIFY, { email, code })),
    );
    expect(answers.map(({ reason = "ok" }) => reason).sort()).toEqual(["EMAIL_TAKEN", "ok"]);
  });

  it("that is changed has to be verified again, and leads in no more", async () => {
    const ada = await asked();
    await verify({ email: ada.email, code: ada.code });
    await setEmail(mailed.backstay, ada, newAddress());
    // It is told, too.
    await mailed.mailTo(ada.email);
    expect((await account(ada.token)).emailVerified).toBeUndefined();
    expect((await signIn(ada.email, ada.secret)).reason).toBe("INVALID_CREDENTIALS");
    // It is free for whoever has it now.
    const ben = await asked(ada.email);
    await verify({ email: ben.email, code: ben.code });
  });

  it("that is somebody's login leads to him, and not to whoever verifies it", async () => {
    const email = newAddress();
    const squatter = await mailed.backstay.signUp(email);
    const ada = await asked(email);
    await verify({ email, code: ada.code });
    expect((await signIn(email, squatter.secret)).json.account.id).toBe(squatter.id);
    expect((await signIn(email, ada.secret)).reason).toBe("INVALID_CREDENTIALS");
  });
});

describe("a code that a stranger had sent to somebody's address", () => {
  it("verifies nothing for the stranger when its owner types it in his own account", async () => {
    const email = newAddress();
    const [ada, eve] = [await mailed.backstay.signUp(), await asked(email)];
    await setEmail(mailed.backstay, ada, email.toUpperCase().replace("EXAMPLE.COM", "example.com"));
    const typed = { email, code: eve.code };
    expect(await curlRefused(mailed.backstay, VERIFY, typed, ada.token)).toEqual(WRONG);
    expect((await account(eve.token)).emailVerified).toBeUndefined();
    // Nor has that cost a try: for others it is as good as before.
    const ben = await mailed.backstay.signUp();
    await curl(mailed.backstay, VERIFY, typed, ben.token);
    expect((await account(eve.token)).emailVerified).toBe(true);
  });

  it("does not keep him from verifying it", async () => {
    const email = newAddress();
    await asked(email);
    const ada = await asked(email);
    await curl(mailed.backstay, VERIFY, { email, code: ada.code }, ada.token);
    expect((await account(ada.token)).emailVerified).toBe(true);
  });
});

it("counts wrong codes by the address, whoever asked for one, and lets a right one pass", async () => {
  const strict = await startMailed({ "limits.rate": "on", "limits.secrets_per_minute": "1000" });
  const strictly = (body: object) => curlRefused(strict.backstay, VERIFY, body);
  const email = newAddress();
  for (let tries = 0; tries < 5; tries++) {
    expect(await strictly({ email, code: "12345678" })).toMatchObject({ reason: "INVALID_CODE" });
  }
  expect(await strictly({ email: email.toUpperCase(), code: "12345678" })).toMatchObject({
    code: "resource_exhausted",
    reason: "TOO_MANY_TRIES",
  });
  await strict.stop();
});

it.each([
  ["email", { code: "12345678" }],
  ["email", { email: "ada@example.com\r\nbcc: eve@example.com", code: "12345678" }],
  ["code", { email: "ada@example.com" }],
])("refuses a request whose %s is none", async (field, body) => {
  expect(await refused(body)).toEqual({ code: "invalid_argument", reason: "INVALID_FIELD", fields: [field] });
});
