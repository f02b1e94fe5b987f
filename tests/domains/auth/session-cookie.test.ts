import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSocket, refusedSocket } from "../../http/socket/client.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, request } from "../../support/http-request.js";
import { auditOf } from "../audit.js";
import { openStream, standingStream } from "../stream.js";
import { bearer } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const SIGN_IN = "auth.v1.AuthService/SignIn";
const SIGN_OUT = "auth.v1.AuthService/SignOut";
const UPDATE = "accounts.v1.AccountService/UpdateAccount";
const REVOKED = { code: "unauthenticated", reason: "TOKEN_REVOKED", fields: [] };

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay(
    { "cors.origins": "https://app.example.com", "limits.rate": "off" },
    { development: false },
  );
  ada = await backstay.signUp();
});
afterAll(() => backstay.stop());

const signIn = (headers: Record<string, string> = {}, to = backstay) => {
  const { login, secret } = ada;
  return connectJson(to.url, SIGN_IN, { login, secret, cookie: true }, headers);
};

describe("the cookie", () => {
  it("is given by SignIn when it is asked for, beside the tokens, and of the same sign-in", async () => {
    const reply = await signIn();
    expect(reply.json.tokens.accessToken).toMatch(/^bs_at_/);
    expect(reply.cookies).toEqual([
      expect.stringMatching(/^backstay_dev=bs_ct_[\w-]{43}; Max-Age=1209600; Path=\/; HttpOnly; SameSite=Lax$/),
      // By which the browser is known at its next sign-in.
      expect.stringMatching(/^backstay_device_dev=bs_dt_[\w-]+; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    await connectJson(backstay.url, SIGN_OUT, {}, bearer(reply.json.tokens.accessToken));
    expect(await knownBy(backstay.url, withCookie(givenCookie(reply)))).toBe("INVALID_TOKEN");
  });

  it("is not given when it is not asked for, nor to whom is refused", async () => {
    const { login, secret } = ada;
    expect((await connectJson(backstay.url, SIGN_IN, { login, secret })).cookies).toEqual([]);
    const refused = await connectJson(backstay.url, SIGN_IN, { login, secret: "wrong", cookie: true });
    expect([refused.status, refused.cookies]).toEqual([401, []]);
  });

  it("case 33: is a new one at every sign-in: one that was planted signs nobody in", async () => {
    const planted = `bs_ct_${"x".repeat(43)}`;
    const first = givenCookie(await signIn(withCookie(planted)));
    expect(first).not.toBe(planted);
    expect(await knownBy(backstay.url, withCookie(planted))).toBe("INVALID_TOKEN");
    const reply = await signIn(withCookie(first));
    expect(givenCookie(reply)).not.toBe(first);
  });

  it("that is replaced stops working, and the tokens of its sign-in do not", async () => {
    const first = await signIn();
    await signIn(withCookie(givenCookie(first)));
    expect(await knownBy(backstay.url, withCookie(givenCookie(first)))).toBe("INVALID_TOKEN");
    expect(await knownBy(backstay.url, bearer(first.json.tokens.accessToken))).toBe(`${ada.id} by token`);
  });

  it.each([
    ["the host is not loopback", { host: "api.example.com" }],
    ["the host only looks like it", { host: "localhost.example.com" }],
    ["a proxy stands between", { "x-forwarded-proto": "https" }],
    ["a proxy says so in the standard's way", { forwarded: "proto=https" }],
  ])("case 34: is __Host-backstay with all its flags where %s", async (_, headers) => {
    const reply = await signIn(headers);
    expect(reply.cookies).toEqual([
      expect.stringMatching(
        /^__Host-backstay=bs_ct_[\w-]{43}; Max-Age=1209600; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
      ),
      expect.stringMatching(
        /^__Host-backstay_device=bs_dt_[\w-]+; Max-Age=31536000; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
      ),
    ]);
    const value = givenCookie(reply);
    expect(await knownBy(backstay.url, { ...headers, cookie: `__Host-backstay=${value}` })).toBe(`${ada.id} by cookie`);
    expect(await knownBy(backstay.url, { ...headers, cookie: `backstay_dev=${value}` })).toBe("TOKEN_MISSING");
  });

  it.each(["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"])("is backstay_dev at %s", async (host) => {
    expect((await signIn({ host })).cookies[0]).toMatch(/^backstay_dev=/);
  });

  it("is __Host-backstay over TLS, also on loopback", async () => {
    const pem = (name: string) => new URL(`../../http/fixtures/test-only.${name}.pem`, import.meta.url).pathname;
    const secure = await startBackstay({ "tls.cert": pem("cert"), "tls.key": pem("key") });
    const { origin } = new URL(secure.url);
    await connectJson(origin, "accounts.v1.AccountService/CreateAccount", {
      login: "t",
      secret: "t-secret",
      name: "t",
    });
    const reply = await connectJson(origin, SIGN_IN, { login: "t", secret: "t-secret", cookie: true });
    expect(reply.cookies).toEqual([
      expect.stringMatching(/^__Host-backstay=bs_ct_/),
      expect.stringMatching(/^__Host-backstay_device=bs_dt_/),
    ]);
    const value = givenCookie(reply);
    expect(await knownBy(origin, { cookie: `__Host-backstay=${value}` })).toMatch(/by cookie$/);
    expect(await knownBy(origin, { cookie: `backstay_dev=${value}` })).toBe("TOKEN_MISSING");
    await secure.stop();
  });

  it("is __Host-backstay where people come by https, though the proxy before it is on this machine and says nothing", async () => {
    const behind = await startBackstay({ public_url: "https://app.example.com" });
    const { login, secret } = await behind.signUp();
    const reply = await connectJson(behind.url, SIGN_IN, { login, secret, cookie: true });
    expect(reply.cookies).toEqual([
      expect.stringMatching(/^__Host-backstay=bs_ct_[^;]+; .*; Secure;/),
      expect.stringMatching(/^__Host-backstay_device=bs_dt_[^;]+; .*; Secure;/),
    ]);
    const value = givenCookie(reply);
    expect(await knownBy(behind.url, { cookie: `__Host-backstay=${value}` })).toMatch(/ by cookie$/);
    // What another program of this machine, or a plain page, may have planted counts for nothing.
    expect(await knownBy(behind.url, { cookie: `backstay_dev=${value}` })).toBe("TOKEN_MISSING");
    const socket = await openSocket(behind.url, { headers: { cookie: `backstay_dev=${value}`, origin: behind.url } });
    expect((await socket.ask("/v1/auth/current")).status).toBe(401);
    // Nor is the development inbox shown to whoever comes through that proxy.
    expect((await request(`${behind.url}/inbox`)).status).toBe(404);
    await behind.stop();
  });

  it("opens streams, which end with it", async () => {
    const reply = await signIn();
    const stream = await openStream(backstay, undefined, {}, withCookie(givenCookie(reply)));
    expect(await stream.next()).toHaveProperty("ready");
    await connectJson(backstay.url, SIGN_OUT, {}, withCookie(givenCookie(reply)));
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  });

  it("comes after a bearer token, and is as none on a public method when it is not valid", async () => {
    const value = givenCookie(await signIn());
    const headers = withCookie(value);
    expect(await knownBy(backstay.url, { ...headers, ...bearer(ada.token) })).toBe(`${ada.id} by token`);
    expect(await knownBy(backstay.url, { ...headers, ...bearer("nonsense") })).toBe("INVALID_TOKEN");
    const ping = await connectJson(backstay.url, "system.v1.SystemService/Ping", {}, withCookie("nonsense"));
    expect(ping.status).toBe(200);
  });

  it("is given and carried by REST too", async () => {
    const { login, secret } = ada;
    const sent = {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ login, secret, cookie: true }),
    };
    expect(givenCookie(await request(`${backstay.url}/v1/auth/sign-in`, sent))).toMatch(/^bs_ct_/);
    const headers = withCookie(givenCookie(await signIn()));
    const { json } = await request(`${backstay.url}/v1/auth/current`, { headers });
    expect(json).toMatchObject({ account: { id: ada.id }, via: "cookie" });
  });
});

describe("signing out", () => {
  it("case 33: with the cookie ends that sign-in, and takes the cookie back", async () => {
    const reply = await signIn();
    const headers = withCookie(givenCookie(reply));
    const out = await connectJson(backstay.url, SIGN_OUT, {}, headers);
    expect(out.cookies).toContain("backstay_dev=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");
    expect(out.cookies).toContain("__Host-backstay=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax");
    expect(await knownBy(backstay.url, headers)).toBe("INVALID_TOKEN");
    expect(await knownBy(backstay.url, bearer(reply.json.tokens.accessToken))).toBe("INVALID_TOKEN");
  });

  it("with a token ends the sign-in of the cookie that came along, with its streams", async () => {
    const browser = await signIn();
    const program = await signIn();
    const token = program.json.tokens.accessToken;
    const stream = await standingStream(backstay, browser.json.tokens.accessToken);
    await connectJson(backstay.url, SIGN_OUT, {}, { ...bearer(token), ...withCookie(givenCookie(browser)) });
    expect(await knownBy(backstay.url, withCookie(givenCookie(browser)))).toBe("INVALID_TOKEN");
    expect(await knownBy(backstay.url, bearer(token))).toBe("INVALID_TOKEN");
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
  });

  it("with the token of one account ends what another has at this browser too, and says of each what was done to it", async () => {
    const ben = await backstay.signUp();
    const stream = await standingStream(backstay, ben.token);
    const browser = await signIn();
    const cookie = withCookie(givenCookie(browser));
    const before = (await auditOf(backstay, ada.id, "sign_out")).length;
    await connectJson(backstay.url, SIGN_OUT, {}, { ...bearer(ben.token), ...cookie });
    expect(await knownBy(backstay.url, cookie)).toBe("INVALID_TOKEN");
    expect(await knownBy(backstay.url, bearer(ben.token))).toBe("INVALID_TOKEN");
    expect((await stream.end(1_000)).refused).toEqual(REVOKED);
    const own = await auditOf(backstay, ben.id, "sign_out");
    expect(own).toEqual([{ actorId: ben.id, detail: { device: expect.any(String) } }]);
    const others = (await auditOf(backstay, ada.id, "sign_out")).slice(before);
    expect(others).toEqual([{ actorId: ben.id, detail: { device: browser.json.deviceId } }]);
  });

  it("takes only the secure cookie back where the other was never given", async () => {
    const headers = { host: "api.example.com" };
    const cookie = `__Host-backstay=${givenCookie(await signIn(headers))}`;
    const out = await connectJson(backstay.url, SIGN_OUT, {}, { ...headers, cookie });
    expect(out.cookies).toEqual(["__Host-backstay=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"]);
  });
});

describe("a change that only a cookie stands for", () => {
  let cookie: string;
  beforeAll(async () => {
    cookie = givenCookie(await signIn());
  });

  const change = async (headers: Record<string, string>) => {
    const body = { account: { phone: "1" }, updateMask: "phone" };
    const { status, reason } = await connectJson(backstay.url, UPDATE, body, { ...withCookie(cookie), ...headers });
    return status === 200 ? "done" : reason;
  };
  const own = () => new URL(backstay.url).host;

  it.each<[string, () => Record<string, string>]>([
    ["a page of this server", () => ({ origin: `http://${own()}`, "sec-fetch-site": "same-origin" })],
    ["a page of this server behind a proxy that ends TLS", () => ({ origin: `https://${own()}` })],
    ["a page of a listed origin", () => ({ origin: "https://app.example.com", "sec-fetch-site": "cross-site" })],
    ["a browser that sends no origin, from the same one", () => ({ "sec-fetch-site": "same-origin" })],
    ["a person who typed the address", () => ({ "sec-fetch-site": "none" })],
    ["what is no browser, and says so", () => ({})],
  ])("is made for %s", async (_, headers) => {
    expect(await change(headers())).toBe("done");
  });

  it.each<[string, () => Record<string, string>]>([
    ["another site", () => ({ origin: "https://evil.example", "sec-fetch-site": "cross-site" })],
    ["another port of this host", () => ({ origin: "http://127.0.0.1:1", "sec-fetch-site": "same-site" })],
    ["a sandboxed frame", () => ({ origin: "null" })],
    ["a listed origin's namesake", () => ({ origin: "http://app.example.com" })],
    ["another site, whose browser sends no origin", () => ({ "sec-fetch-site": "cross-site" })],
    ["another host of this site", () => ({ "sec-fetch-site": "same-site" })],
    [
      "what calls itself this server's, and is of another site",
      () => ({ origin: `http://${own()}`, "sec-fetch-site": "cross-site" }),
    ],
  ])("case 38: is refused to %s", async (_, headers) => {
    expect(await change(headers())).toBe("CROSS_SITE");
  });

  describe("case 12: from what says neither which page asked nor what no form can", () => {
    type Sent = [what: string, path: string, headers: Record<string, string>, body: string];
    const json = { "content-type": "application/json" };
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const grpcWeb = { "content-type": "application/grpc-web+proto" };
    const sent: Sent[] = [
      ["Connect", `/backstay.${UPDATE}`, json, '{"account":{"phone":"2"},"updateMask":"phone"}'],
      ["REST", "/v1/history", json, '{"type":"x"}'],
      ["a form at a path of the predecessor's", "/history/add", form, "type=x"],
    ];
    const answer = async ([, path, headers, body]: Sent, more: Record<string, string> = {}) => {
      const reply = await request(backstay.url + path, {
        headers: { ...withCookie(cookie), ...headers, ...more },
        body,
      });
      return reply.status === 200 ? "done" : (reply.reason ?? reply.json);
    };

    it.each(sent)("is refused: %s", async (...one) => {
      const refused = one[1].startsWith("/history") ? expect.objectContaining({ status: 403 }) : "CROSS_SITE";
      expect(await answer(one)).toEqual(refused);
      // How it was asked does not say by whom.
      expect(await answer(one, { "sec-fetch-mode": "cors" })).toEqual(refused);
    });

    it.each(sent)("is made by a program that says it, or a page: %s", async (...one) => {
      for (const more of [
        { "connect-protocol-version": "1" },
        { origin: backstay.url },
        { "sec-fetch-site": "same-origin" },
      ]) {
        expect(await answer(one, more as Record<string, string>)).toBe("done");
      }
    });

    it("is made by gRPC-Web, whose type no form has", async () => {
      const response = await fetch(`${backstay.url}/backstay.messages.v1.MessageService/ListUnread`, {
        method: "POST",
        headers: { ...withCookie(cookie), ...grpcWeb },
        body: Buffer.alloc(5),
      });
      expect(await response.text()).toMatch(/grpc-status: ?0/);
    });
  });

  it("is not made for a plain page of the same name where people come by https", async () => {
    const behind = await startBackstay({ public_url: "https://app.example.com" });
    const { login, secret } = await behind.signUp();
    const host = "app.example.com";
    const ask = (path: string, body: object, headers: Record<string, string>) =>
      connectJson(behind.url, path, body, { host, ...headers });
    const given = await ask(SIGN_IN, { login, secret, cookie: true }, { origin: `https://${host}` });
    const value = givenCookie(given);
    const change = async (headers: Record<string, string>) => {
      const body = { account: { phone: "1" }, updateMask: "phone" };
      const { status, reason } = await ask(UPDATE, body, { cookie: `__Host-backstay=${value}`, ...headers });
      return status === 200 ? "done" : reason;
    };
    expect(await change({ origin: `https://${host}`, "sec-fetch-site": "same-origin" })).toBe("done");
    expect(await change({ origin: `http://${host}` })).toBe("CROSS_SITE");
    expect(await change({ origin: `http://${host}`, "sec-fetch-site": "cross-site" })).toBe("CROSS_SITE");
    const plain = await ask(SIGN_IN, { login, secret, cookie: true }, { origin: `http://${host}` });
    expect([plain.reason, plain.cookies]).toEqual(["CROSS_SITE", []]);
    const headers = { host, cookie: `__Host-backstay=${value}` };
    expect(await refusedSocket(behind.url, { headers: { ...headers, origin: `http://${host}` } })).toMatchObject({
      reason: "FOREIGN_ORIGIN",
    });
    const socket = await openSocket(behind.url, { headers: { ...headers, origin: `https://${host}` } });
    expect((await socket.ask("/v1/auth/current")).via).toBe("cookie");
    await behind.stop();
  });

  it("is nobody's matter when a token stands for it", async () => {
    expect(await change({ origin: "https://evil.example", ...bearer(ada.token) })).toBe("done");
  });

  it("by GET comes only from a script of this server's own pages", async () => {
    // A read by its path, and yet a change: it may mark messages read.
    const unread = async (headers: Record<string, string>) => {
      const sent = { headers: { ...withCookie(cookie), ...headers } };
      const { status, reason } = await request(`${backstay.url}/v1/messages:unread`, sent);
      return status === 200 ? "done" : reason;
    };
    const fetched = { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" };
    expect(await unread(fetched)).toBe("done");
    expect(await unread({ ...fetched, "sec-fetch-mode": "navigate" })).toBe("CROSS_SITE");
    expect(await unread({ "sec-fetch-site": "none", "sec-fetch-mode": "navigate" })).toBe("CROSS_SITE");
    expect(await unread({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" })).toBe("CROSS_SITE");
    expect(await unread({})).toBe("CROSS_SITE");
    expect(await unread({ ...bearer(ada.token) })).toBe("done");
  });

  it("is not a read: those are left to the browser, which shows them to listed origins alone", async () => {
    expect(await knownBy(backstay.url, { ...withCookie(cookie), origin: "https://evil.example" })).toMatch(
      /by cookie$/,
    );
  });

  it("cannot be signed in to from another site: nobody is made to act as somebody else", async () => {
    const reply = await signIn({ origin: "https://evil.example" });
    expect([reply.reason, reply.cookies]).toEqual(["CROSS_SITE", []]);
  });

  it("is as without the cookie on a public method", async () => {
    const account = { login: `from elsewhere ${Date.now()}`, secret: "long enough", name: "E" };
    const headers = { ...withCookie(cookie), origin: "https://evil.example" };
    expect((await connectJson(backstay.url, "accounts.v1.AccountService/CreateAccount", account, headers)).status).toBe(
      200,
    );
  });
});

describe("pages of another origin", () => {
  const preflight = (origin: string) =>
    request(`${backstay.url}/backstay.${UPDATE}`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST" },
    });

  it("may send the cookie when their origin is listed, and the signature's header", async () => {
    const { headers } = await preflight("https://app.example.com");
    expect(headers).toMatchObject({
      "access-control-allow-origin": "https://app.example.com",
      "access-control-allow-credentials": "true",
      "access-control-allow-headers": expect.stringContaining("bk-signature"),
    });
  });

  it.each(["https://evil.example", "null"])("case 38: are not let in as %s", async (origin) => {
    const { headers } = await preflight(origin);
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });
});
