import { randomBytes } from "node:crypto";
import { createConnection } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorToken, testClock } from "../../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { connectJson, request } from "../../support/http-request.js";
import { sign } from "../../support/sign.js";
import { openSocket, refusedSocket } from "./client.js";

let backstay: TestBackstay;
let ada: Person;
beforeAll(async () => {
  backstay = await startBackstay(
    { "cors.origins": "https://app.example", "auth.signatures": "all", "limits.rate": "off" },
    { development: false },
  );
  ada = await backstay.signUp();
});
afterAll(() => backstay?.stop());

const whoIs = async (options: Parameters<typeof openSocket>[1]) => {
  const socket = await openSocket(backstay.url, options);
  const frame = await socket.ask("/v1/auth/current");
  return { protocol: socket.ws.protocol, status: frame.status, id: frame.account?.id, via: frame.via };
};

/** The session cookie of a sign-in, as this server's plain connection to loopback gives it. */
async function cookie(): Promise<string> {
  const { cookies } = await connectJson(backstay.url, "auth.v1.AuthService/SignIn", {
    login: ada.login,
    secret: ada.secret,
    cookie: true,
  });
  return cookies[0]!.split(";", 1)[0]!;
}

describe("a socket is opened", () => {
  it("by the token of a header, as programs send it", async () => {
    const headers = { authorization: `Bearer ${ada.token}` };
    expect(await whoIs({ headers })).toEqual({ protocol: "", status: 200, id: ada.id, via: "token" });
  });

  it("by the token of a sub-protocol, as pages can send it, which is never repeated", async () => {
    const protocols = ["backstay.v1", `bearer.${ada.token}`];
    expect(await whoIs({ protocols })).toEqual({ protocol: "backstay.v1", status: 200, id: ada.id, via: "token" });
  });

  it("by the session cookie, with an origin that is the server's own or listed", async () => {
    for (const origin of [backstay.url, "https://app.example"]) {
      const headers = { cookie: await cookie(), origin };
      expect(await whoIs({ headers })).toMatchObject({ status: 200, id: ada.id, via: "cookie" });
    }
  });

  it("by a signature, in the header or the query", async () => {
    const { login, secret } = ada;
    const signature = sign({ login, secret, url: `${backstay.url}/ws` });
    expect(await whoIs({ headers: { "bk-signature": signature } })).toMatchObject({ status: 200, id: ada.id });
    const inQuery = sign({ login, secret, url: `${backstay.url}/ws?room=7` });
    const path = `/ws?room=7&bk-signature=${encodeURIComponent(inQuery)}`;
    expect(await whoIs({ path })).toMatchObject({ status: 200, id: ada.id, via: "signature" });
  });

  it("by a signature once: who has seen the URL opens no second one", async () => {
    const { login, secret } = ada;
    const path = `/ws?bk-signature=${encodeURIComponent(sign({ login, secret, url: `${backstay.url}/ws` }))}`;
    expect(await whoIs({ path })).toMatchObject({ status: 200, id: ada.id });
    expect(await refusedSocket(backstay.url, { path })).toMatchObject({ status: 401, reason: "SIGNATURE_REPLAYED" });
  });

  it("as nobody's when nothing came, and then calls what is public", async () => {
    const socket = await openSocket(backstay.url);
    expect(await socket.ask("/v1/ping")).toMatchObject({ op: "/v1/ping", status: 200 });
    expect(await socket.ask("/v1/auth/current")).toMatchObject({ op: "/v1/auth/current", status: 401 });
  });

  it("case 37: not by a cookie of a foreign origin, or of none, nor by a token in the URL", async () => {
    for (const origin of [undefined, "https://evil.example", "null"]) {
      const headers = { cookie: await cookie(), ...(origin && { origin }) };
      expect(await refusedSocket(backstay.url, { headers })).toMatchObject({ status: 403, reason: "FOREIGN_ORIGIN" });
    }
    const escaped = ada.token.replaceAll("_", "%5F");
    const sent = [`token=${ada.token}`, `access_token=${ada.token}`, `authorization=Bearer%20${ada.token}`];
    for (const query of [...sent, `authorization=Bearer+${ada.token}`, `token=${escaped}`, ada.token]) {
      const refused = await refusedSocket(backstay.url, { path: `/ws?room=7&${query}` });
      expect(refused, query).toMatchObject({ status: 400, reason: "SECRET_IN_URL" });
    }
    // What a program proves by a header needs no origin, whatever its cookies are.
    const headers = { cookie: await cookie(), authorization: `Bearer ${ada.token}` };
    expect(await whoIs({ headers })).toMatchObject({ status: 200, via: "token" });
  });

  it("at the path that is set, and at no other", async () => {
    const other = await startBackstay({ "events.ws_path": "/project/ws" });
    try {
      const socket = await openSocket(other.url, { path: "/project/ws" });
      expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
      expect(await refusedSocket(other.url)).toMatchObject({ status: 404, reason: "UNKNOWN_PATH" });
    } finally {
      await other.stop();
    }
  });
});

describe("over TLS", () => {
  it("a socket is opened by a page of the server's own", async () => {
    const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/test-only.${name}.pem`, import.meta.url));
    const tls = { "tls.cert": fixture("cert"), "tls.key": fixture("key") };
    const secure = await startBackstay(tls, { development: false });
    try {
      expect(secure.url).toMatch(/^https:/);
      const socket = await openSocket(secure.url, { headers: { origin: secure.url }, rejectUnauthorized: false });
      expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
      const plain = { origin: secure.url.replace("https", "http") };
      const refused = await refusedSocket(secure.url, { headers: plain, rejectUnauthorized: false });
      expect(refused).toMatchObject({ status: 403, reason: "FOREIGN_ORIGIN" });
    } finally {
      await secure.stop();
    }
  });
});

describe("a socket is refused before it is open", () => {
  const cases: [what: string, options: () => object | Promise<object>, status: number, reason: string][] = [
    ["a token that is not good", () => ({ headers: { authorization: "Bearer no" } }), 401, "INVALID_TOKEN"],
    ["a header that is no token", () => ({ headers: { authorization: "Basic abc" } }), 401, "INVALID_TOKEN"],
    ["a bad token of a sub-protocol", () => ({ protocols: ["backstay.v1", "bearer.no"] }), 401, "INVALID_TOKEN"],
    [
      "a cookie that is not good",
      () => ({ headers: { cookie: "backstay_dev=bs_ct_no", origin: backstay.url } }),
      401,
      "INVALID_TOKEN",
    ],
    ["a signature that is none", () => ({ headers: { "bk-signature": "4|" } }), 401, "MALFORMED_SIGNATURE"],
    [
      "another secret's signature",
      () => ({ headers: { "bk-signature": sign({ login: ada.login, secret: "no", url: `${backstay.url}/ws` }) } }),
      401,
      "INVALID_SIGNATURE",
    ],
    ["a page of another site", () => ({ headers: { origin: "https://evil.example" } }), 403, "FOREIGN_ORIGIN"],
    [
      "another site's page with a good token",
      () => ({ headers: { origin: "https://evil.example", authorization: `Bearer ${ada.token}` } }),
      403,
      "FOREIGN_ORIGIN",
    ],
    [
      "another site's page with a cookie",
      async () => ({ headers: { origin: "https://evil.example", cookie: await cookie() } }),
      403,
      "FOREIGN_ORIGIN",
    ],
    ["a page of a sandbox", () => ({ headers: { origin: "null" } }), 403, "FOREIGN_ORIGIN"],
    ["what a browser calls cross-site", () => ({ headers: { "sec-fetch-site": "cross-site" } }), 403, "FOREIGN_ORIGIN"],
    ["a path that is no socket's", () => ({ path: "/v1/ping" }), 404, "UNKNOWN_PATH"],
    ["a malformed header of ours", () => ({ headers: { "idempotency-key": "a b" } }), 400, "INVALID_HEADER"],
    ["two of the same sub-protocol", () => ({ headers: { "sec-websocket-protocol": "a, a" } }), 400, "INVALID_HEADER"],
  ];
  it.each(cases)("%s", async (_, options, status, reason) => {
    const reply = await refusedSocket(backstay.url, await options());
    expect(reply).toMatchObject({ status, reason });
    expect(reply.headers).toMatchObject({ "content-type": "application/json", connection: "close" });
    expect(reply.headers["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
    expect(reply.json).toMatchObject({ code: expect.any(Number), message: expect.any(String) });
  });

  it("one more than an address may have, until one of them is closed", async () => {
    const small = await startBackstay({ "limits.sockets_per_address": "2" });
    try {
      const first = await openSocket(small.url);
      await openSocket(small.url);
      expect(await refusedSocket(small.url)).toMatchObject({ status: 429, reason: "TOO_MANY_SOCKETS" });
      first.ws.close();
      await first.closed();
      await openSocket(small.url);
      // What was refused has taken no place.
      expect(await refusedSocket(small.url, { headers: { authorization: "Bearer no" } })).toMatchObject({
        status: 429,
      });
    } finally {
      await small.stop();
    }
  });

  it("with an expired token", async () => {
    const clock = testClock();
    const timed = await startBackstay({}, { overrides: { clock } });
    try {
      const { token } = await timed.signUp();
      clock.advance(60 * 60_000);
      const headers = { authorization: `Bearer ${token}` };
      expect(await refusedSocket(timed.url, { headers })).toMatchObject({ status: 401, reason: "TOKEN_EXPIRED" });
    } finally {
      await timed.stop();
    }
  });
});

describe("what is no request for a WebSocket", () => {
  /** Sends text by a connection of its own; answers everything that comes until the server ends it or `until` has come. */
  const raw = (text: string, until = /\r\n\r\n/): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = createConnection(Number(new URL(backstay.url).port), "127.0.0.1", () => socket.write(text));
      let received = "";
      socket.on("data", (chunk) => {
        received += chunk;
        if (until.test(received)) {
          socket.destroy();
          resolve(received);
        }
      });
      socket.on("error", reject);
      socket.on("close", () => resolve(received));
    });
  const upgrade = (lines: string[]) => `${[...lines, "Host: 127.0.0.1", "Connection: Upgrade"].join("\r\n")}\r\n\r\n`;
  const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";

  it("is told what is wrong with it", async () => {
    const socket = ["GET /ws HTTP/1.1", "Upgrade: websocket"];
    expect(await raw(upgrade([...socket, "Sec-WebSocket-Version: 13"]), /}/)).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
    expect(await raw(upgrade([...socket, key, "Sec-WebSocket-Version: 7"]), /}/)).toMatch(/^HTTP\/1.1 400 /);
    const post = ["POST /ws HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key];
    expect(await raw(upgrade(post), /}/)).toMatch(/^HTTP\/1.1 405 [\s\S]*allow: GET/);
    const absolute = ["GET http://other/ws HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key];
    expect(await raw(upgrade(absolute), /}/)).toMatch(/^HTTP\/1.1 400 /);
  });

  it("is answered as any request when it offers another protocol, as clients of HTTP/2 do", async () => {
    const body = '{"login":"nobody","secret":"no secret"}';
    const offered = ["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    const connection = "Connection: Upgrade, HTTP2-Settings";
    const get = `${["GET /v1/ping HTTP/1.1", "Host: a", connection, ...offered].join("\r\n")}\r\n\r\n`;
    expect(await raw(get)).toMatch(/^HTTP\/1.1 200 OK/);
    const head = ["POST /v1/auth/sign-in HTTP/1.1", "Host: a", connection, ...offered];
    const post = [...head, "Content-Type: application/json", `Content-Length: ${body.length}`, "", body].join("\r\n");
    expect(await raw(post)).toMatch(/^HTTP\/1.1 401 /);
    // More than once on one connection.
    expect(await raw(get + get, /200 OK[\s\S]*200 OK/)).not.toMatch(/HTTP\/1.1 [^2]/);
  });

  it("may not be pipelined behind a request that is not answered", async () => {
    const slow = "GET /v1/events:poll HTTP/1.1\r\nHost: a\r\n";
    const text = `${slow}Authorization: Bearer ${ada.token}\r\n\r\n${upgrade(["GET /ws HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key])}`;
    expect(await raw(text)).toBe("");
    expect(await request(`${backstay.url}/v1/ping`)).toMatchObject({ status: 200 });
  });

  it("finds the server well after a thousand of them that hang up at once", async () => {
    const hello = upgrade(["GET /ws HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key]);
    const port = Number(new URL(backstay.url).port);
    const hangUp = (n: number) =>
      new Promise<void>((resolve) => {
        const socket = createConnection(port, "127.0.0.1", () => {
          socket.write(n % 2 === 0 ? hello : hello.slice(0, n % hello.length));
          if (n % 3 === 0) socket.resetAndDestroy();
          else if (n % 3 === 1) socket.end();
          else socket.destroy();
        });
        socket.on("error", () => {});
        socket.resume();
        socket.on("close", () => resolve());
        setTimeout(() => socket.destroy(), 500);
      });
    for (let n = 0; n < 1_000; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => hangUp(n + i)));
    const socket = await openSocket(backstay.url, { headers: { authorization: `Bearer ${operatorToken(backstay)}` } });
    expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
  });

  it("finds the server well after two hundred sockets that speak noise", async () => {
    const port = Number(new URL(backstay.url).port);
    const hello = upgrade(["GET /ws HTTP/1.1", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key]);
    const noise = () =>
      new Promise<void>((resolve) => {
        const socket = createConnection(port, "127.0.0.1", () => socket.write(hello));
        socket.on("data", () => socket.write(randomBytes(1 + Math.floor(Math.random() * 2_000))));
        socket.on("error", () => {});
        socket.on("close", () => resolve());
        // Half a frame is no fault: the server waits for the rest.
        setTimeout(() => socket.destroy(), 300);
      });
    for (let n = 0; n < 200; n += 50) await Promise.all(Array.from({ length: 50 }, noise));
    const socket = await openSocket(backstay.url);
    expect(await socket.ask("/v1/ping")).toMatchObject({ status: 200 });
    expect(backstay.log()).not.toMatch(/a door failed/);
  });
});
