import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MadeKey, makeKey, signWithKey } from "../domains/auth/api-key-house.js";
import { givenCookie, knownBy, withCookie } from "../domains/auth/cookies.js";
import { bearer, eventually, openDatabase, operatorToken, upTo } from "../domains/support.js";
import { openSocket } from "../http/socket/client.js";
import { startBackstay, type TestBackstay } from "../support/backstay.js";
import { connectJson, request } from "../support/http-request.js";

const AUTH = "auth.v1.AuthService";

let backstay: TestBackstay;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "on" });
});
afterAll(() => backstay.stop());

const made = (prefix: string) => `${prefix}${randomBytes(32).toString("base64url")}`;
const wrong = () => knownBy(backstay.url, bearer(made("bs_at_")));
/** Several tries, of which one could pass by chance. */
const each = <T>(tries: () => Promise<T>) => Promise.all(upTo(5).map(tries));

/** Sends tokens that nobody was given, more than may be refused of an address, until `during` has ended. */
async function flooded<T>(during: () => Promise<T>): Promise<T> {
  let isOver = false;
  const answers = new Set<string>();
  const flood = async () => {
    while (!isOver) answers.add(await wrong());
  };
  const floods = upTo(20).map(flood);
  try {
    while (!answers.has("RATE_LIMITED")) await wrong();
    return await during();
  } finally {
    isOver = true;
    await Promise.all(floods);
  }
}

/** Somebody who has signed in, with a cookie besides. */
async function signedIn() {
  const { id, login, secret, token } = await backstay.signUp();
  const begun = await connectJson(backstay.url, `${AUTH}/StartSession`, {}, bearer(token));
  const signIn = await connectJson(backstay.url, `${AUTH}/SignIn`, { login, secret });
  return { id, token, cookie: givenCookie(begun), tokens: signIn.json.tokens as Record<string, string> };
}

/** An API key that has signed rightly, and how a call ends that is signed with one. */
async function knownKey() {
  const key = await makeKey(backstay, (await signedIn()).token);
  const url = `${backstay.url}/v1/auth/current`;
  const signed = async (by: MadeKey) => (await request(url, { headers: signWithKey(by, { url }) })).status;
  await eventually(10_000, "the key has signed rightly", async () => ((await signed(key)) === 200 ? true : undefined));
  return { key, signed };
}

describe("tokens that are refused at an address", () => {
  it("stop nobody there who was known before, by token, cookie, API key, signature or frame", async () => {
    const ada = await signedIn();
    const key = await makeKey(backstay, ada.token);
    const own = { by: "token", cookie: "cookie", key: "api_key" };
    const url = `${backstay.url}/v1/auth/current`;
    const signed = async () => (await request(url, { headers: signWithKey(key, { url }) })).status;
    for (const headers of [bearer(ada.token), withCookie(ada.cookie), bearer(key.key)]) {
      expect(await knownBy(backstay.url, headers)).toMatch(ada.id);
    }
    expect(await signed()).toBe(200);
    const socket = await openSocket(backstay.url);
    await flooded(async () => {
      // What is known of a token for a second has to be looked up again.
      for (const _ of upTo(3)) {
        const say = (by: string) => upTo(5).map(() => `${ada.id} by ${by}`);
        expect(await each(() => knownBy(backstay.url, bearer(ada.token)))).toEqual(say(own.by));
        expect(await each(() => knownBy(backstay.url, withCookie(ada.cookie)))).toEqual(say(own.cookie));
        expect(await each(() => knownBy(backstay.url, bearer(key.key)))).toEqual(say(own.key));
        expect(await each(signed)).toEqual(upTo(5).map(() => 200));
        expect(await socket.ask({ op: "auth", token: ada.token })).toMatchObject({ status: 200 });
        await new Promise((resolve) => setTimeout(resolve, 600));
      }
      expect(
        await each(() =>
          connectJson(backstay.url, "system.v1.SystemService/GetInfo", {}, bearer(operatorToken(backstay))),
        ),
      ).toEqual(upTo(5).map(() => expect.objectContaining({ status: 200 })));
    });
  }, 30_000);

  it("stop no browser with a dead cookie where anybody may call, and are none of its", async () => {
    const dead = withCookie(`backstay_dev=${made("bs_ct_")}`);
    const ping = async () => (await connectJson(backstay.url, "system.v1.SystemService/Ping", {}, dead)).status;
    for (const _ of upTo(70)) expect(await Promise.all(upTo(10).map(ping))).toEqual(upTo(10).map(() => 200));
    expect(await wrong()).toBe("INVALID_TOKEN");
    await flooded(async () => {
      expect(await each(ping)).toEqual(upTo(5).map(() => 200));
    });
  }, 30_000);

  it("stop nobody who was given his token meanwhile", async () => {
    const ada = await signedIn();
    const { refreshToken } = ada.tokens;
    await flooded(async () => {
      expect(await each(() => knownBy(backstay.url, bearer(ada.tokens.accessToken)))).toEqual(
        upTo(5).map(() => `${ada.id} by token`),
      );
      const { json } = await connectJson(backstay.url, `${AUTH}/Refresh`, { refreshToken });
      expect(await each(() => knownBy(backstay.url, bearer(json.tokens.accessToken)))).toEqual(
        upTo(5).map(() => `${ada.id} by token`),
      );
    });
  }, 30_000);

  it("stop nobody who was given his API key meanwhile", async () => {
    const ada = await signedIn();
    await flooded(async () => {
      const { key } = await makeKey(backstay, ada.token);
      expect(await each(() => knownBy(backstay.url, bearer(key)))).toEqual(upTo(5).map(() => `${ada.id} by api_key`));
    });
  }, 30_000);

  it("stop whoever's token, cookie or API key has ended, though it was known", async () => {
    const ada = await signedIn();
    const key = await makeKey(backstay, ada.token);
    const ended = [bearer(ada.token), withCookie(ada.cookie), bearer(key.key)];
    for (const headers of ended) expect(await knownBy(backstay.url, headers)).toMatch(ada.id);
    const sql = openDatabase(backstay);
    await sql`update backstay.grants set expires_at = now() - interval '1 s' where account_id = ${ada.id}`;
    await sql`update backstay.api_keys set expires_at = now() - interval '1 s' where id = ${key.id}`;
    await flooded(async () => {
      for (const headers of ended) {
        // It may be remembered for a second as it was; then it is looked up once more, and is one of those that nobody has.
        const isOver = async () => ((await knownBy(backstay.url, headers)) === "TOKEN_EXPIRED" ? true : undefined);
        await eventually(10_000, "it has ended", isOver);
        expect(await each(() => knownBy(backstay.url, headers))).toContain("RATE_LIMITED");
      }
    });
  }, 30_000);

  it("stop nobody who signs with a key that others sign wrongly in the name of", async () => {
    const { key, signed } = await knownKey();
    await flooded(async () => {
      expect(await each(() => signed({ id: key.id, key: made("bs_ak_") }))).toEqual(upTo(5).map(() => 401));
      expect(await each(() => signed(key))).toEqual(upTo(5).map(() => 200));
    });
  }, 30_000);

  it("let nobody there wait for longer by wrong signatures that name a known key", async () => {
    const { key, signed } = await knownKey();
    for (const _ of upTo(60)) await Promise.all(upTo(20).map(() => signed({ id: key.id, key: made("bs_ak_") })));
    // If each of them counted, it would take half a minute.
    await eventually(10_000, "others are looked up", async () =>
      (await wrong()) === "INVALID_TOKEN" ? true : undefined,
    );
  }, 60_000);

  it("stop whoever is not known, and whoever is no more what he was known as", async () => {
    const ada = await signedIn();
    expect(await knownBy(backstay.url, bearer(ada.token))).toMatch(ada.id);
    await flooded(async () => {
      expect((await connectJson(backstay.url, `${AUTH}/SignOut`, {}, bearer(ada.token))).status).toBe(200);
      // It is looked up once more, and refused; then it is one of those that nobody was given.
      expect(await knownBy(backstay.url, bearer(ada.token))).toBe("INVALID_TOKEN");
      const later = [...(await each(() => knownBy(backstay.url, bearer(ada.token)))), ...(await each(wrong))];
      expect(later).toContain("RATE_LIMITED");
      expect(new Set([...later, "INVALID_TOKEN"])).toEqual(new Set(["INVALID_TOKEN", "RATE_LIMITED"]));
      // A cookie is not known as a token.
      expect(await each(() => knownBy(backstay.url, bearer(ada.cookie)))).toContain("RATE_LIMITED");
    });
  }, 30_000);
});
