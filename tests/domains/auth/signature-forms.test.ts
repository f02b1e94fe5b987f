import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { post } from "../../compat/predecessor.js";
import { startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply, request } from "../../support/http-request.js";
import { curl, curlRefused, openDatabase } from "../support.js";
import { givenCookie, withCookie } from "./cookies.js";
import { type FormName, signForm } from "./signature-lines.js";

const CREATE = "accounts.v1.AccountService/CreateAccount";
const UPDATE = "accounts.v1.AccountService/UpdateAccount";
const SIGN_IN = "auth.v1.AuthService/SignIn";
const CHANGE = "auth.v1.AuthService/ChangeSecret";
const UPGRADE = "auth.v1.AuthService/UpgradeAnonymous";
const CURRENT = "/v1/auth/current";
const notThis = (field: string) => ({ code: "invalid_argument", reason: "INVALID_LOGIN", fields: [field] });

interface Signer {
  id: string;
  login: string;
  secret: string;
}

let backstay: TestBackstay;
let signer: Signer;
let kind: TestBackstay;
let kindSigner: Signer;
beforeAll(async () => {
  backstay = await startBackstay();
  signer = await makeSigner(backstay, "forms@example.com");
  // One that takes SHA-1 as well.
  kind = await startBackstay({ "auth.signature_sha1": "on" });
  kindSigner = await makeSigner(kind, "old@example.com");
});
afterAll(() => Promise.all([backstay.stop(), kind.stop()]));

async function makeSigner(on: TestBackstay, login: string): Promise<Signer> {
  const secret = `secret of ${login}`;
  const made = { login, secret, name: "Signer", signatures: true };
  const { account } = await curl<{ account: { id: string } }>(on, CREATE, made);
  return { id: account.id, login, secret };
}

/** Where each form may stand. */
const CARRIERS = {
  header: (text: string) => ({ headers: { "bk-signature": text }, query: "" }),
  query: (text: string) => ({ headers: {}, query: `?bk-signature=${encodeURIComponent(text)}` }),
  cookie: (text: string) => ({ headers: { cookie: `a=b; bk-signature=${encodeURIComponent(text)}` }, query: "" }),
  tokenHeader: (text: string) => ({ headers: { "bk-access-token": text }, query: "" }),
  tokenQuery: (text: string) => ({ headers: {}, query: `?bk-access-token=${encodeURIComponent(text)}` }),
};

type CarrierName = keyof typeof CARRIERS;

/** Reads one's own account with a signature of this form at this place. */
async function ask(on: TestBackstay, as: Signer, form: FormName, by: CarrierName, expires?: number): Promise<Reply> {
  const url = `${on.url}${CURRENT}`;
  const { headers, query } = CARRIERS[by](signForm(form, { ...as, url, ...(expires && { expires }) }));
  return request(`${url}${query}`, { headers });
}

describe("a signature of another version", () => {
  it.each<[FormName, CarrierName]>([
    ["4", "header"],
    ["4", "query"],
    ["0.9.3/3", "header"],
    ["0.9.3/3", "query"],
    ["2", "cookie"],
    ["3", "tokenHeader"],
    ["3", "tokenQuery"],
  ])("%s is taken by %s", async (form, by) => {
    const { status, json } = await ask(backstay, signer, form, by);
    expect([status, json.account?.id, json.via]).toEqual([200, signer.id, "signature"]);
  });

  it.each<[FormName, CarrierName]>([
    ["4", "cookie"],
    ["4", "tokenHeader"],
    ["0.9.3/3", "cookie"],
    ["2", "header"],
    ["2", "query"],
    ["2", "tokenQuery"],
    ["3", "cookie"],
    ["1", "tokenHeader"],
  ])("%s is refused by %s, for which it was not made", async (form, by) => {
    const { status, reason } = await ask(backstay, signer, form, by);
    expect([status, reason]).toEqual([401, "SIGNATURE_VERSION"]);
  });

  it("1.x's 3 in the header is read as 0.9.3's, of which it is none", async () => {
    expect((await ask(backstay, signer, "3", "header")).reason).toBe("INVALID_SIGNATURE");
  });

  it.each<[FormName, CarrierName]>([
    ["1", "header"],
    ["1", "query"],
    ["1", "cookie"],
    ["0.9.3/2", "cookie"],
  ])("case 45: %s by %s is of SHA-1, and taken only where auth.signature_sha1 is on", async (form, by) => {
    const refused = await ask(backstay, signer, form, by);
    expect([refused.status, refused.reason]).toEqual([401, "SIGNATURE_VERSION"]);
    expect((await ask(kind, kindSigner, form, by)).status).toBe(200);
  });

  it("case 45: is refused for its version before anything is said of its login or digest", async () => {
    const nobody = { id: "", login: "nobody@example.com", secret: "x" };
    expect((await ask(backstay, nobody, "1", "header")).reason).toBe("SIGNATURE_VERSION");
  });

  it("is refused in the same words for an unknown login and a wrong secret", async () => {
    for (const [form, by] of [
      ["2", "cookie"],
      ["3", "tokenHeader"],
      ["0.9.3/3", "header"],
    ] as const) {
      const unknown = await ask(backstay, { ...signer, login: "nobody@example.com" }, form, by);
      const wrong = await ask(backstay, { ...signer, secret: "wrong" }, form, by);
      expect([unknown.status, unknown.reason]).toEqual([401, "INVALID_SIGNATURE"]);
      expect(wrong.json).toEqual(unknown.json);
    }
  });

  it("ends as all others do, and never later than auth.signature_max_age", async () => {
    for (const [form, by] of [
      ["2", "cookie"],
      ["3", "tokenHeader"],
      ["0.9.3/3", "header"],
    ] as const) {
      expect((await ask(backstay, signer, form, by, Date.now() - 1)).reason).toBe("SIGNATURE_EXPIRED");
      expect((await ask(backstay, signer, form, by, Date.now() + 11 * 60_000)).reason).toBe("SIGNATURE_TOO_LONG");
    }
  });

  it("has its cookie and its access token named after auth.signature_name", async () => {
    const renamed = await startBackstay({ "auth.signature_name": "x-app-signature" });
    const other = await makeSigner(renamed, "renamed@example.com");
    const url = `${renamed.url}${CURRENT}`;
    const token = signForm("3", { ...other, url });
    const cookie = `x-app-signature=${encodeURIComponent(signForm("2", { ...other, url }))}`;
    expect((await request(url, { headers: { "x-app-access-token": token } })).status).toBe(200);
    expect((await request(`${url}?x-app-access-token=${encodeURIComponent(token)}`)).status).toBe(200);
    expect((await request(url, { headers: { cookie } })).status).toBe(200);
    expect((await request(url, { headers: { "bk-access-token": token } })).reason).toBe("TOKEN_MISSING");
    await renamed.stop();
  });
});

describe("a signature of no single request", () => {
  const change = (on: TestBackstay, headers: Record<string, string>) =>
    connectJson(on.url, UPDATE, { account: { phone: "1" }, updateMask: "phone" }, headers);

  it("reads whatever its account may, as often as it likes", async () => {
    const cookie = CARRIERS.cookie(signForm("2", { ...signer, url: backstay.url }));
    for (const path of [CURRENT, "/v1/messages?pageSize=2", CURRENT]) {
      expect((await request(`${backstay.url}${path}`, cookie)).status).toBe(200);
    }
  });

  it.each<[FormName, "cookie" | "tokenHeader"]>([
    ["2", "cookie"],
    ["3", "tokenHeader"],
  ])("%s by %s changes nothing", async (form, by) => {
    const { headers } = CARRIERS[by](signForm(form, { ...signer, url: backstay.url }));
    const { status, reason } = await change(backstay, headers);
    expect([status, reason]).toEqual([401, "SIGNATURE_TOO_WIDE"]);
    const [row] = await openDatabase(backstay)`select phone from backstay.accounts where id = ${signer.id}`;
    expect(row!.phone).toBe("");
  });

  it("is as none on a public method that changes something", async () => {
    const { headers } = CARRIERS.tokenHeader(signForm("3", { ...signer, url: backstay.url }));
    const body = { login: "made wide", secret: "long enough", name: "W" };
    expect((await connectJson(backstay.url, CREATE, body, headers)).status).toBe(200);
  });

  it("is of its host alone", async () => {
    const url = `${backstay.url}${CURRENT}`;
    const cookie = CARRIERS.cookie(signForm("2", { ...signer, url: "http://other.localhost" }));
    expect((await request(url, cookie)).reason).toBe("INVALID_SIGNATURE");
  });
});

describe("a signature in a cookie", () => {
  it("comes after our own session cookie", async () => {
    const { id, login, secret } = await backstay.signUp();
    const session = withCookie(
      givenCookie(await connectJson(backstay.url, "auth.v1.AuthService/SignIn", { login, secret, cookie: true })),
    );
    const { headers } = CARRIERS.cookie(signForm("2", { ...signer, url: backstay.url }));
    const cookie = `${headers.cookie}; ${session.cookie}`;
    const { json } = await request(`${backstay.url}${CURRENT}`, { headers: { cookie } });
    expect([json.account.id, json.via]).toEqual([id, "cookie"]);
  });

  it("allows no change that a page of another site, or a link, could have asked for", async () => {
    const url = `${kind.url}/v1/accounts/me`;
    const signed = () => CARRIERS.cookie(signForm("1", { ...kindSigner, url, method: "DELETE" })).headers;
    const foreign = { ...signed(), origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    const refused = await request(url, { method: "DELETE", headers: foreign });
    expect([refused.status, refused.reason]).toEqual([403, "CROSS_SITE"]);
    const own = await request(url, { method: "DELETE", headers: { ...signed(), "sec-fetch-site": "same-origin" } });
    expect(own.status).toBe(200);
  });
});

describe("what a signed request must not be changed in", () => {
  const path = `${CURRENT}?b=2&a=1&q=x%2By`;
  const signed = (): Record<string, string> => ({
    "bk-signature": signForm("4", { ...signer, url: `${backstay.url}${path}` }),
  });
  // The RPC knows no such parameters; that it says so is said to nobody whose signature is wrong.
  const reasonAt = async (asked: string, headers = signed(), method = "GET") =>
    (await request(`${backstay.url}${asked}`, { method, headers })).reason;

  it("case 42: a query in another order is the same, every other change is not", async () => {
    expect(await reasonAt(path)).toBe("UNKNOWN_FIELD");
    expect(await reasonAt(`${CURRENT}?q=x%2By&a=1&b=2`)).toBe("UNKNOWN_FIELD");
    for (const query of ["b=1&a=2&q=x%2By", "b=2&a=1&q=x%2By&=z", "b=2&a=1&q=x+y", "b=2&a=1&q=x%20y"]) {
      expect(await reasonAt(`${CURRENT}?${query}`)).toBe("INVALID_SIGNATURE");
    }
  });

  it("case 43: method, host, path and content type", async () => {
    expect(await reasonAt(path, { ...signed(), host: "other.localhost" })).toBe("INVALID_SIGNATURE");
    expect(await reasonAt(path, { ...signed(), "content-type": "text/plain" })).toBe("INVALID_SIGNATURE");
    expect(await reasonAt(path.replace("current", "devices"))).toBe("INVALID_SIGNATURE");
    expect(await reasonAt(path, signed(), "HEAD")).toBeUndefined();
    const head = await request(`${backstay.url}${path}`, { method: "HEAD", headers: signed() });
    expect(head.status).toBe(401);
  });

  it("case 44: a login with a pipe or a line feed signs nothing, and one with a line feed is no login", async () => {
    for (const login of ["a|b", "a\nb"]) {
      expect((await ask(backstay, { ...signer, login }, "4", "query")).reason).toBe("MALFORMED_SIGNATURE");
    }
    const made = { login: "a\nb", secret: "long enough", name: "N" };
    expect(await curlRefused(backstay, CREATE, made)).toEqual(notThis("login"));
  });

  describe("case 44: no secret is kept to sign with for a login that has a pipe, which is one without that:", () => {
    const piped = () => ({ login: `pipe|${randomUUID()}`, secret: "long enough", name: "N" });
    const keptOf = (on: TestBackstay, login: string) =>
      openDatabase(on)`select secret_sealed is not null as kept from backstay.identities where label = ${login}`;
    const signInAs = async ({ login, secret }: { login: string; secret: string }, on = backstay) => {
      const { tokens } = await curl<{ tokens: { accessToken: string } }>(on, SIGN_IN, { login, secret });
      return tokens.accessToken;
    };

    it("of a new account", async () => {
      const made = piped();
      expect(await curlRefused(backstay, CREATE, { ...made, signatures: true })).toEqual(notThis("login"));
      await curl(backstay, CREATE, made);
      await signInAs(made);
    });

    it("of a new account, or a new secret, that comes by compat, which keeps them where they can sign", async () => {
      const made = piped();
      expect((await post(backstay, "/account/add", made)).status).toBe(200);
      expect(await keptOf(backstay, made.login)).toEqual([{ kept: false }]);
      const authorization = `Bearer ${await signInAs(made)}`;
      const change = { old: made.secret, secret: "a new secret" };
      const changed = await post(backstay, "/account/put/secret", change, undefined, { authorization });
      expect(changed.status).toBe(200);
      expect(await keptOf(backstay, made.login)).toEqual([{ kept: false }]);
      await signInAs({ ...made, secret: change.secret });
    });

    it("of any account where auth.signatures is all, which still refuses whoever asks", async () => {
      const all = await startBackstay({ "auth.signatures": "all" });
      const made = piped();
      expect(await curlRefused(all, CREATE, { ...made, signatures: true })).toEqual(notThis("login"));
      await curl(all, CREATE, made);
      expect(await keptOf(all, made.login)).toEqual([{ kept: false }]);
      await curl(all, CHANGE, { old: made.secret, new: "a new secret" }, await signInAs(made, all));
      expect(await keptOf(all, made.login)).toEqual([{ kept: false }]);
      await all.stop();
    });

    it("of an account that gets a login", async () => {
      const guest = await curl<{ tokens: { accessToken: string } }>(
        backstay,
        "auth.v1.AuthService/SignInAnonymously",
        {},
      );
      const { login, secret } = piped();
      const upgrade = { login, secret };
      const { accessToken } = guest.tokens;
      const refused = await curlRefused(backstay, UPGRADE, { ...upgrade, signatures: true }, accessToken);
      expect(refused).toEqual(notThis("login"));
      await curl(backstay, UPGRADE, upgrade, accessToken);
    });

    it("of an account that changes its secret", async () => {
      const made = piped();
      await curl(backstay, CREATE, made);
      const token = await signInAs(made);
      const change = { old: made.secret, new: "a new secret" };
      expect(await curlRefused(backstay, CHANGE, { ...change, signatures: true }, token)).toEqual(
        notThis("signatures"),
      );
      await curl(backstay, CHANGE, change, token);
      await signInAs({ ...made, secret: change.new });
    });
  });
});

describe("a banned account", () => {
  it("signs as nobody, in any form", async () => {
    const banned = await makeSigner(backstay, "banned@example.com");
    await openDatabase(backstay)`update backstay.accounts set status = 'banned' where id = ${banned.id}`;
    for (const [form, by] of [
      ["4", "header"],
      ["2", "cookie"],
      ["3", "tokenHeader"],
    ] as const) {
      const { status, reason } = await ask(backstay, banned, form, by);
      expect([status, reason]).toEqual([401, "INVALID_SIGNATURE"]);
    }
  });
});
