import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectJson } from "../../support/http-request.js";
import { bearer, curl, curlRefused, openDatabase } from "../support.js";
import { codeIn, type Mailed, newAddress, setEmail, startMailed } from "./mailed.js";

const CREATE = "accounts.v1.AccountService/CreateAccount";
const UPGRADE = "auth.v1.AuthService/UpgradeAnonymous";
const TAKEN = { code: "already_exists", reason: "LOGIN_TAKEN", fields: ["login"] };

let mailed: Mailed;
beforeAll(async () => {
  mailed = await startMailed();
});
afterAll(() => mailed.stop());

const signIn = (login: string, secret: string) =>
  connectJson(mailed.backstay.url, "auth.v1.AuthService/SignIn", { login, secret });
const newAccount = (login: string) => ({ login, secret: "secret of a stranger", name: "Eve" });

async function guest(): Promise<string> {
  const { tokens } = await curl<{ tokens: { accessToken: string } }>(
    mailed.backstay,
    "auth.v1.AuthService/SignInAnonymously",
    {},
  );
  return tokens.accessToken;
}

describe("an address that somebody has verified", () => {
  it("is nobody else's login, in any case, with an idempotency key or without", async () => {
    const { id, email, secret } = await mailed.verified();
    expect(await curlRefused(mailed.backstay, CREATE, newAccount(email.toUpperCase()))).toEqual(TAKEN);
    for (const _ of ["first", "repeat"]) {
      const headers = { "idempotency-key": "taken" };
      const { reason } = await connectJson(mailed.backstay.url, CREATE, newAccount(email), headers);
      expect(reason).toBe("LOGIN_TAKEN");
    }
    const { login, secret: chosen } = newAccount(email);
    expect(await curlRefused(mailed.backstay, UPGRADE, { login, secret: chosen }, await guest())).toEqual(TAKEN);
    expect((await signIn(email, secret)).json.account.id).toBe(id);
  });

  it("may become the login of its own account", async () => {
    const token = await guest();
    const email = newAddress();
    await setEmail(mailed.backstay, { token }, email);
    await curl(mailed.backstay, "auth.v1.AuthService/RequestVerification", {}, token);
    await curl(mailed.backstay, "auth.v1.AuthService/Verify", { email, code: codeIn(await mailed.mailTo(email)) });
    await curl(mailed.backstay, UPGRADE, { login: email, secret: "secret of the guest" }, token);
    expect((await signIn(email, "secret of the guest")).status).toBe(200);
  });

  it("changes nothing for a repeat of what made its account", async () => {
    const email = newAddress();
    const create = () =>
      connectJson(mailed.backstay.url, CREATE, { ...newAccount(email), email }, { "idempotency-key": "mine" });
    const { id } = (await create()).json.account;
    const token = (await signIn(email, newAccount(email).secret)).json.tokens.accessToken;
    await curl(mailed.backstay, "auth.v1.AuthService/RequestVerification", {}, token);
    await curl(mailed.backstay, "auth.v1.AuthService/Verify", { email, code: codeIn(await mailed.mailTo(email)) });
    expect((await create()).json.account.id).toBe(id);
  });

  it("is free as a login once it is verified no more", async () => {
    const { email, ...ada } = await mailed.verified();
    await setEmail(mailed.backstay, ada, "");
    await curl(mailed.backstay, CREATE, newAccount(email));
  });
});

describe("where a login and a verified address are the same, as two that began at once can be,", () => {
  /** Ada has verified the address, and Eve has it as her login; one of them came first. */
  async function both(first: "ada" | "eve") {
    const ada = await mailed.verified();
    const eve = await mailed.backstay.signUp();
    const sql = openDatabase(mailed.backstay);
    const before = first === "ada" ? 1 : -1;
    await sql`update backstay.identities e set subject = ${ada.email}, label = ${ada.email},
      created_at = a.created_at + ${before} * interval '1 minute'
      from backstay.identities a where a.account_id = ${ada.id} and a.kind = 'email'
        and e.account_id = ${eve.id} and e.kind = 'login'`;
    return { ada, eve };
  }

  it("whoever came first signs in by it", async () => {
    for (const first of ["ada", "eve"] as const) {
      const people = await both(first);
      const [owner, other] = first === "ada" ? [people.ada, people.eve] : [people.eve, people.ada];
      expect((await signIn(people.ada.email, owner.secret)).json.account.id).toBe(owner.id);
      expect((await signIn(people.ada.email, other.secret)).reason).toBe("INVALID_CREDENTIALS");
    }
  });

  it("and resets his secret by it", async () => {
    const { ada } = await both("ada");
    await curl(mailed.backstay, "auth.v1.AuthService/RequestSecretReset", { login: ada.email });
    const code = codeIn(await mailed.mailTo(ada.email));
    const reset = { login: ada.email, code, secret: "another secret of ada" };
    await curl(mailed.backstay, "auth.v1.AuthService/ResetSecret", reset, undefined);
    expect((await signIn(ada.login, reset.secret)).json.account.id).toBe(ada.id);
  });
});

it("a reset does not give an account without a login an address that became another's meanwhile", async () => {
  const token = await guest();
  const email = newAddress();
  await setEmail(mailed.backstay, { token }, email);
  await curl(mailed.backstay, "auth.v1.AuthService/RequestVerification", {}, token);
  await curl(mailed.backstay, "auth.v1.AuthService/Verify", { email, code: codeIn(await mailed.mailTo(email)) });
  await mailed.askAgain();
  await curl(mailed.backstay, "auth.v1.AuthService/RequestSecretReset", { login: email });
  const code = codeIn(await mailed.mailTo(email));
  const eve = await mailed.backstay.signUp();
  const sql = openDatabase(mailed.backstay);
  await sql`update backstay.identities set subject = ${email}, created_at = now() + interval '1 minute'
    where account_id = ${eve.id} and kind = 'login'`;
  const body = { login: email, code, secret: "secret of the guest" };
  const { reason } = await connectJson(mailed.backstay.url, "auth.v1.AuthService/ResetSecret", body, bearer(token));
  expect(reason).toBe("LOGIN_TAKEN");
});
