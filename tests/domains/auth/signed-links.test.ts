import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, type Reply, request } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { bearer } from "../support.js";
import { givenCookie, knownBy, withCookie } from "./cookies.js";

const SIGN_IN = "auth.v1.AuthService/SignIn";
const SIGN_OUT = "auth.v1.AuthService/SignOut";
const START = "auth.v1.AuthService/StartSession";
const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";

let backstay: TestBackstay;
let mallory: Person;
let victim: Person;
/** The victim's browser: its cookie, and a token of the same sign-in. */
let cookie: string;
let token: string;
beforeAll(async () => {
  backstay = await startBackstay({ "auth.signatures": "all", "cors.origins": "https://app.example.com" });
  mallory = await backstay.signUp();
  victim = await backstay.signUp();
});
beforeEach(async () => {
  const { login, secret } = victim;
  const reply = await connectJson(backstay.url, SIGN_IN, { login, secret, cookie: true });
  cookie = givenCookie(reply);
  token = reply.json.tokens.accessToken;
});
afterAll(() => backstay.stop());

type Headers = Record<string, string>;

let last = 0;

/** A signature of Mallory's; no two are the same. */
function signatureOf(method: string, path: string, contentType = "", body = ""): string {
  last = Math.max(last + 1, Date.now() + 60_000);
  const { login, secret } = mallory;
  return sign({ login, secret, method, url: backstay.url + path, contentType, body, expires: last });
}

/** What Mallory has signed, as a link or a form of her page has it sent: the signature stands in the URL. */
function byUrl(method: string, path: string, headers: Headers, type = "", body?: string): Promise<Reply> {
  const signature = encodeURIComponent(signatureOf(method, path, type, body));
  const url = `${backstay.url}${path}${path.includes("?") ? "&" : "?"}bk-signature=${signature}`;
  const sent = { ...(type && { "content-type": type }), ...headers };
  return request(url, { method, headers: sent, ...(body !== undefined && { body }) });
}

/** The same with the signature in its header. */
function byHeader(method: string, path: string, headers: Headers, type = "", body?: string): Promise<Reply> {
  const sent = {
    ...headers,
    ...(type && { "content-type": type }),
    "bk-signature": signatureOf(method, path, type, body),
  };
  return request(backstay.url + path, { method, headers: sent, ...(body !== undefined && { body }) });
}

type Send = typeof byUrl;

/** Everything that begins, replaces or ends a browser's session, asked for by GET. */
const GETS: [string, string][] = [
  ["/auth?_session=1", "/auth?_session=1"],
  ["/auth?_session=0", "/auth?_session=0"],
  ["/logout", "/logout"],
];

/** The same by POST. */
const POSTS: [string, (send: Send, headers: Headers) => Promise<Reply>][] = [
  ["/auth with _session=1 in its form", (send, headers) => send("POST", "/auth", headers, FORM, "_session=1")],
  ["/auth with _session=0 in its form", (send, headers) => send("POST", "/auth", headers, FORM, "_session=0")],
  ["/logout", (send, headers) => send("POST", "/logout", headers, FORM, "")],
  ["StartSession by REST", (send, headers) => send("POST", "/v1/auth/session", headers)],
  ["StartSession", (send, headers) => send("POST", `/backstay.${START}`, headers, JSON_TYPE, "{}")],
  ["SignOut", (send, headers) => send("POST", `/backstay.${SIGN_OUT}`, headers, JSON_TYPE, "{}")],
  [
    "SignIn with a cookie",
    (send, headers) => {
      const { login, secret } = mallory;
      return send("POST", `/backstay.${SIGN_IN}`, headers, JSON_TYPE, JSON.stringify({ login, secret, cookie: true }));
    },
  ],
];

/** Whether the victim's cookie, and the sign-in it is of, stand as they did. */
async function victimsSession(): Promise<string[]> {
  const known = [await knownBy(backstay.url, withCookie(cookie)), await knownBy(backstay.url, bearer(token))];
  return known.map((who) => who.replace(victim.id, "the victim"));
}

/** Whether an answer gives a cookie or takes one back. */
const changed = ({ status, cookies }: Reply) => status === 200 && cookies.length > 0;

const UNTOUCHED = ["the victim by cookie", "the victim by token"];

describe("a signature in the URL of a link", () => {
  const FROM: [string, Headers][] = [
    ["another site", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }],
    ["another site's image", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }],
    ["another host of this site", { "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate" }],
    ["a mail or the address bar", { "sec-fetch-site": "none", "sec-fetch-mode": "navigate" }],
    ["a page of this server", { "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate" }],
    ["a listed origin", { origin: "https://app.example.com", "sec-fetch-site": "cross-site" }],
    ["anywhere, in an old browser", { "user-agent": "Mozilla/5.0 (X11) Gecko/20100101 Firefox/60.0" }],
    ["a page, in an old browser without a name", { referer: "https://evil.example/" }],
  ];

  describe.each(FROM)("from %s", (_, headers) => {
    it.each(GETS)("does not get %s to change the browser's session", async (_path, path) => {
      const without = await byUrl("GET", path, headers);
      const reply = await byUrl("GET", path, { ...headers, ...withCookie(cookie) });
      expect([without.status, without.cookies]).toEqual([403, []]);
      // Our own pages may read with the cookie as ever, but a link on them does not change it.
      expect([reply.status, reply.cookies]).toEqual([403, []]);
      expect(await victimsSession()).toEqual(UNTOUCHED);
    });
  });

  it("does not, by whoever holds a cookie, even without anything else of a browser", async () => {
    for (const [, path] of GETS) {
      const reply = await byUrl("GET", path, withCookie(cookie));
      expect([reply.status, reply.cookies]).toEqual([403, []]);
    }
    expect(await victimsSession()).toEqual(UNTOUCHED);
  });

  it("does not by HEAD", async () => {
    const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", ...withCookie(cookie) };
    const reply = await byUrl("HEAD", "/auth?_session=1", headers);
    expect([reply.status, reply.cookies]).toEqual([403, []]);
    expect(await victimsSession()).toEqual(UNTOUCHED);
  });

  it("is as good as ever for what changes no session", async () => {
    const headers = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    expect((await byUrl("GET", "/auth", headers)).json.id).toBe(mallory.id);
    expect((await byUrl("GET", "/account/update?gender=x", { ...headers, ...withCookie(cookie) })).status).toBe(200);
  });

  it("begins and ends sessions of programs, which follow no links, and of this server's own scripts", async () => {
    const script = { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "user-agent": "Mozilla/5.0" };
    for (const headers of [{}, { "user-agent": "curl/8" }, script]) {
      expect(givenCookie(await byUrl("GET", "/auth?_session=1", headers))).toMatch(/^bs_ct_/);
      expect((await byUrl("GET", "/auth?_session=0", headers)).cookies[0]).toMatch(/^[\w-]+=; Max-Age=0/);
      expect((await byUrl("GET", "/logout", headers)).status).toBe(200);
    }
  });
});

describe("a signature in the URL of a form", () => {
  it.each(POSTS)("of another site does not get %s to change the browser's session", async (_, send) => {
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
    ]) {
      const without = await send(byUrl, headers);
      const reply = await send(byUrl, { ...headers, ...withCookie(cookie) });
      expect([without.status, without.cookies]).toEqual([403, []]);
      expect([reply.status, reply.cookies]).toEqual([403, []]);
    }
    expect(await victimsSession()).toEqual(UNTOUCHED);
  });

  it.each(POSTS)("of this server, or of a listed origin, does get %s to", async (_, send) => {
    for (const origin of [new URL(backstay.url).origin, "https://app.example.com"]) {
      expect(changed(await send(byUrl, { origin }))).toBe(true);
    }
  });
});

describe("a signature in its header", () => {
  it.each(GETS)("gets %s to change the session: no link carries a header", async (_, path) => {
    for (const headers of [{}, { "sec-fetch-site": "none" }, { "user-agent": "Mozilla/5.0" }] as Headers[]) {
      expect(changed(await byHeader("GET", path, headers))).toBe(true);
    }
  });

  it.each(POSTS)("gets %s to", async (_, send) => {
    expect(changed(await send(byHeader, {}))).toBe(true);
  });

  it.each<[string, Headers]>([
    ["another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
    ["another site, whose browser says no more", { origin: "https://evil.example" }],
    ["another site, whose browser sends no origin", { "sec-fetch-site": "cross-site" }],
  ])("changes no session from %s, nor does a token", async (_, headers) => {
    const { login, secret } = mallory;
    const own = bearer((await connectJson(backstay.url, SIGN_IN, { login, secret })).json.tokens.accessToken);
    const byToken: Send = (method, path, more, type = "", body) => {
      const sent = { ...more, ...own, ...(type && { "content-type": type }) };
      return request(backstay.url + path, { method, headers: sent, ...(body !== undefined && { body }) });
    };
    const signOut = (send: Send) =>
      send("POST", `/backstay.${SIGN_OUT}`, { ...headers, ...withCookie(cookie) }, JSON_TYPE, "{}");
    const replies = [await signOut(byHeader)];
    for (const send of [byHeader, byToken]) {
      replies.push(
        await send("POST", "/v1/auth/session", { ...headers, ...withCookie(cookie) }),
        await send("GET", "/auth?_session=1", headers),
        await send("GET", "/auth?_session=0", { ...headers, ...withCookie(cookie) }),
      );
    }
    expect(replies.map(({ status, cookies }) => [status, cookies])).toEqual(replies.map(() => [403, []]));
    expect(await knownBy(backstay.url, own)).toBe(`${mallory.id} by token`);
    // Whoever holds a token may end it; the browser stays signed in as it is.
    const ended = await signOut(byToken);
    expect([ended.status, ended.cookies]).toEqual([200, []]);
    expect(await knownBy(backstay.url, own)).toBe("INVALID_TOKEN");
    expect(await victimsSession()).toEqual(UNTOUCHED);
  });

  it("begins one from a page of a listed origin", async () => {
    const headers = { origin: "https://app.example.com", "sec-fetch-site": "cross-site" };
    expect(givenCookie(await byHeader("POST", "/v1/auth/session", headers))).toMatch(/^bs_ct_/);
  });
});

it("a login and secret in a link begin no session: nobody is signed in as somebody by following one", async () => {
  const { login, secret } = mallory;
  const url = `${backstay.url}/login?${new URLSearchParams({ login, secret, _session: "1" })}`;
  for (const site of ["cross-site", "none"]) {
    const headers = { "sec-fetch-site": site, "sec-fetch-mode": "navigate" };
    const reply = await request(url, { headers });
    expect([reply.status, reply.cookies]).toEqual([403, []]);
  }
  expect(givenCookie(await request(url))).toMatch(/^bs_ct_/);
});
