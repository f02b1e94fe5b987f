import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { eventually, openDatabase } from "../support.js";
import { type MadeKey, makeKey, sendSigned, signWithKey, type ToSign } from "./api-key-house.js";

const UPDATE = "/backstay.accounts.v1.AccountService/UpdateAccount";
const JSON_TYPE = { "content-type": "application/json" };

let backstay: TestBackstay;
let ada: Person;
let key: MadeKey;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
  key = await makeKey(backstay, ada.token);
});
afterAll(() => backstay.stop());

const now = () => Math.floor(Date.now() / 1000);
const current = (extra: Partial<ToSign> = {}): ToSign => ({ url: `${backstay.url}/v1/auth/current`, ...extra });

/** A change of one's own phone by Connect. */
function change(phone: string, extra: Partial<ToSign> = {}, on = backstay): ToSign {
  const body = JSON.stringify({ account: { phone }, updateMask: "phone" });
  return { method: "POST", url: `${on.url}${UPDATE}`, headers: JSON_TYPE, body, ...extra };
}

const phone = async () =>
  (await openDatabase(backstay)`select phone from backstay.accounts where id = ${ada.id}`)[0]!.phone;

describe("a request that is signed with an API key", () => {
  it("is known by REST, whatever its method", async () => {
    const { json } = await sendSigned(key, current());
    expect([json.account.id, json.via]).toEqual([ada.id, "api_key"]);
    const body = '{"phone":"7"}';
    const patch = { method: "PATCH", url: `${backstay.url}/v1/accounts/${ada.id}`, headers: JSON_TYPE, body };
    expect((await sendSigned(key, patch)).status).toBe(200);
  });

  it("is known by Connect, by POST and by GET", async () => {
    expect((await sendSigned(key, change("1"))).status).toBe(200);
    const query = "connect=v1&encoding=json&message=%7B%7D";
    const url = `${backstay.url}/backstay.auth.v1.AuthService/GetCurrent?${query}`;
    expect((await sendSigned(key, { url })).json.account.id).toBe(ada.id);
  });

  it("is known over HTTP/2, by the authority", async () => {
    const session = connect(backstay.url);
    const stream = session.request({ ":path": "/v1/auth/current", ...signWithKey(key, current()) });
    const status = await new Promise((resolve) => stream.on("response", (headers) => resolve(headers[":status"])));
    session.close();
    expect(status).toBe(200);
  });

  it("needs no more than the id and the key: neither travels in a way that helps who listens", async () => {
    const headers = signWithKey(key, current());
    expect(JSON.stringify(headers)).not.toContain(key.key.slice(6));
    expect(backstay.log()).not.toContain(key.key);
  });

  it("comes before a session cookie, which a browser sends unasked", async () => {
    const { json } = await sendSigned(key, current(), { headers: { cookie: "backstay_dev=nonsense" } });
    expect(json.via).toBe("api_key");
  });

  it("is as none on a public method when it is not valid, but for a body that is not the one that was signed", async () => {
    const ping = { method: "POST", url: `${backstay.url}/backstay.system.v1.SystemService/Ping`, headers: JSON_TYPE };
    const stranger = { ...key, key: `bs_ak_${"A".repeat(43)}` };
    expect((await sendSigned(stranger, { ...ping, body: "{}" })).status).toBe(200);
    expect((await sendSigned(key, { ...ping, body: "{}" }, { body: "{ }" })).reason).toBe("DIGEST_MISMATCH");
  });

  it("cannot have a streamed body, nor one that is packed", async () => {
    const session = connect(backstay.url);
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    const headers = { "content-type": "application/grpc+proto" };
    const signed = signWithKey(key, { method: "POST", url: `${backstay.url}${path}`, headers });
    const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...signed });
    stream.end();
    stream.resume();
    // The method is public, so what proves nothing is as none.
    const status = await new Promise((resolve) => {
      for (const event of ["response", "trailers"]) {
        stream.on(event, (answered) => answered["grpc-status"] !== undefined && resolve(answered["grpc-status"]));
      }
    });
    session.close();
    expect(status).toBe("0");
    const line = async () =>
      backstay
        .log()
        .split("\n")
        .find((one) => one.includes("ServerReflectionInfo"));
    expect(JSON.parse(await eventually(10_000, "the call is logged", line)).account).toBeUndefined();
    const packed = await sendSigned(key, change("1", { headers: { ...JSON_TYPE, "content-encoding": "gzip" } }));
    expect(packed.reason).toBe("UNSUPPORTED_ENCODING");
  });
});

describe("case 39: a signed change is made once", () => {
  it("and its nonce is refused the second time, here, elsewhere, and by a server that was started anew", async () => {
    const nonce = "the-nonce-of-case-39";
    const toSign = change("39", { nonce });
    expect((await sendSigned(key, toSign)).status).toBe(200);
    const again = await sendSigned(key, toSign);
    expect([again.status, again.reason]).toEqual([401, "SIGNATURE_REPLAYED"]);
    const secret = readFileSync(`${backstay.home}/etc/secret`, "utf8").trim();
    const second = await startBackstay({ "database.url": backstay.databaseUrl, secret });
    expect((await sendSigned(key, change("40", { nonce }, second))).reason).toBe("SIGNATURE_REPLAYED");
    await second.stop();
    expect(await phone()).toBe("39");
  });

  it("of many that come together", async () => {
    const toSign = change("x", { nonce: "the-nonce-of-many-at-once" });
    const replies = await Promise.all(Array.from({ length: 10 }, () => sendSigned(key, toSign)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ reason }) => reason === "SIGNATURE_REPLAYED")).toHaveLength(9);
  });

  it("by each key: another's nonces are its own", async () => {
    const nonce = "the-nonce-of-two-keys";
    const other = await makeKey(backstay, ada.token);
    for (const one of [key, other]) expect((await sendSigned(one, change("y", { nonce }))).status).toBe(200);
  });

  it("while a read may be repeated", async () => {
    const toSign = current({ nonce: "the-nonce-of-a-read" });
    for (let n = 0; n < 3; n++) expect((await sendSigned(key, toSign)).status).toBe(200);
  });
});

describe("case 40: a signature is of its time", () => {
  it.each([
    ["301 s old", -301],
    ["301 s ahead", 302],
  ])("and refused when it is %s, with the server's time", async (_, offset) => {
    const { status, reason, json } = await sendSigned(key, current({ created: now() + offset }));
    expect([status, reason]).toEqual([401, "SIGNATURE_TIME"]);
    const { serverTime } = json.details[0].metadata ?? json.details[0].debug.metadata;
    expect(Math.abs(Date.parse(serverTime) - Date.now())).toBeLessThan(10_000);
  });

  it("and taken when it is nearly that", async () => {
    for (const offset of [-290, 290]) {
      expect((await sendSigned(key, current({ created: now() + offset }))).status).toBe(200);
    }
  });

  it("and refused when it asks for a year, or has passed its own end", async () => {
    const year = await sendSigned(key, change("1", { expires: now() + 365 * 86_400 }));
    expect([year.status, year.json.code, year.reason]).toEqual([400, "invalid_argument", "SIGNATURE_WINDOW"]);
    const over = await sendSigned(key, current({ created: now() - 60, expires: now() - 1 }));
    expect([over.status, over.reason]).toEqual([401, "SIGNATURE_TIME"]);
  });
});

describe("case 41: a signature covers the body", () => {
  it("which may not be changed", async () => {
    const { status, reason } = await sendSigned(key, change("1"), { body: change("2").body! });
    expect([status, reason]).toEqual([401, "DIGEST_MISMATCH"]);
  });

  it("by a digest that may not be removed, left out, nor replaced", async () => {
    const removed = await sendSigned(key, change("1"), { headers: { "content-digest": undefined } });
    expect([removed.status, removed.reason]).toEqual([401, "SIGNATURE_INCOMPLETE"]);
    const leftOut = await sendSigned(key, change("1", { without: ["content-digest"] }));
    expect([leftOut.status, leftOut.reason]).toEqual([401, "SIGNATURE_INCOMPLETE"]);
    const { body, ...other } = change("2");
    const digest = signWithKey(key, { ...other, body: body! })["content-digest"];
    const replaced = await sendSigned(key, change("1"), { body: body!, headers: { "content-digest": digest } });
    expect([replaced.status, replaced.reason]).toEqual([401, "INVALID_SIGNATURE"]);
  });
});

describe("case 42: a signature covers the query", () => {
  // The RPC knows no such parameters; that it says so is said to nobody whose signature is wrong.
  const asked = (query: string) => `${backstay.url}/v1/auth/current?${query}`;
  const sent = async (signed: string, changed: string) =>
    (await sendSigned(key, { url: asked(signed) }, { url: asked(changed) })).reason;

  it("whose names may come in another order", async () => {
    expect(await sent("b=2&a=1", "a=1&b=2")).toBe("UNKNOWN_FIELD");
  });

  it.each([
    ["values of one name swapped", "a=1&a=2", "a=2&a=1"],
    ["an empty name added", "a=1", "=x&a=1"],
    ["an empty piece added", "a=1", "a=1&"],
    ["+ for %2B", "a=x%2By", "a=x+y"],
    ["%20 for +", "a=x+y", "a=x%20y"],
    ["%2B for %20", "a=x%20y", "a=x%2By"],
    ["a parameter removed", "a=1&b=2", "a=1"],
  ])("but not with %s", async (_, signed, changed) => {
    expect(await sent(signed, changed)).toBe("INVALID_SIGNATURE");
  });
});

describe("case 43: a signature covers the request's line and content type", () => {
  it("method, host, path in its case", async () => {
    const reasonOf = async (to: Parameters<typeof sendSigned>[2]) => {
      const { status, reason } = await sendSigned(key, current(), to);
      return [status, reason];
    };
    const invalid = [401, "INVALID_SIGNATURE"];
    expect(await reasonOf({ headers: { host: "other.example" } })).toEqual(invalid);
    expect(await reasonOf({ url: `${backstay.url}/v1/accounts/me` })).toEqual(invalid);
    const lower = { ...change("1"), url: change("1").url.replace("UpdateAccount", "updateAccount") };
    expect((await sendSigned(key, lower, { url: change("1").url })).reason).toBe("INVALID_SIGNATURE");
    const deleted = { method: "DELETE", url: `${backstay.url}/v1/accounts/me` };
    const patched = { method: "PATCH", body: "", headers: {} };
    expect((await sendSigned(key, deleted, patched)).reason).toBe("INVALID_SIGNATURE");
  });

  it("content type and idempotency key, which may not be added either", async () => {
    const proto = { headers: { "content-type": "application/proto" } };
    expect((await sendSigned(key, change("1"), proto)).reason).toBe("INVALID_SIGNATURE");
    const added = { headers: { "idempotency-key": "added" } };
    expect((await sendSigned(key, change("1"), added)).reason).toBe("SIGNATURE_INCOMPLETE");
    const untyped = change("1", { without: ["content-type"] });
    expect((await sendSigned(key, untyped)).reason).toBe("SIGNATURE_INCOMPLETE");
  });
});

describe("case 45: an unknown key id", () => {
  it("is refused in the same words, byte for byte, as a wrong signature", async () => {
    const answer = async (by: MadeKey) => {
      const { status, headers, json } = await sendSigned(by, current(), { headers: { "x-request-id": "1" } });
      return { status, json, headers: { ...headers, date: "" } };
    };
    const wrong = await answer({ ...key, key: `bs_ak_${"A".repeat(43)}` });
    // What gRPC calls unauthenticated.
    expect([wrong.status, wrong.json.code]).toEqual([401, 16]);
    expect(await answer({ ...key, id: "0198c5d6a0007abc8def001122334455" })).toEqual(wrong);
    expect(await answer({ ...key, id: "none" })).toEqual(wrong);
  });
});

describe("a WebSocket that is opened by a signed request", () => {
  const url = () => `${backstay.url}/ws`;

  /** What the server answers to a frame, or to the opening when it refuses. */
  const ask = (headers: Record<string, string>) =>
    new Promise<string>((resolve) => {
      const socket = new WebSocket(url().replace("http", "ws"), { headers });
      socket.on("open", () => socket.send("/v1/auth/current"));
      socket.on("message", (data) => {
        if (!String(data).includes("account")) return;
        socket.terminate();
        resolve(String(data));
      });
      socket.on("unexpected-response", (_, res) => resolve(`HTTP ${res.statusCode}`));
    });

  it("is the key's, once", async () => {
    const headers = signWithKey(key, { url: url() });
    expect(await ask(headers)).toContain(ada.id);
    expect(await ask(headers)).toBe("HTTP 401");
  });

  it("is opened for nobody when it is not the key's", async () => {
    expect(await ask(signWithKey({ ...key, key: `bs_ak_${"A".repeat(43)}` }, { url: url() }))).toBe("HTTP 401");
  });
});

it("what is not written as it must be is refused", async () => {
  const malformed = { headers: { "signature-input": "app=()" } };
  const { status, reason } = await sendSigned(key, current(), malformed);
  expect([status, reason]).toEqual([401, "SIGNATURE_INCOMPLETE"]);
  expect((await sendSigned(key, current(), { headers: { signature: "app=x" } })).reason).toBe("MALFORMED_SIGNATURE");
});
