import { BackstayError, createClient, signRequest } from "@backstay/client";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { type MadeKey, makeKey } from "../domains/auth/api-key-house.js";
import { within } from "../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";
import { rejection } from "./support/client.js";

let backstay: TestBackstay;
let ada: Person;
let key: MadeKey;
beforeAll(async () => {
  backstay = await startBackstay();
  ada = await backstay.signUp();
  key = await makeKey(backstay, ada.token);
});
afterAll(() => backstay.stop());

/** Fetches, and keeps what was sent. */
function spy(send: typeof fetch = fetch) {
  const sent: Headers[] = [];
  const spied: typeof fetch = (input, init) => {
    sent.push(new Headers(init?.headers));
    return send(input, init);
  };
  return { fetch: spied, sent };
}

describe("a client with an API key that signs", () => {
  it.each(["binary", "json"] as const)(
    "signs reads, changes and streams in the format %s, and never sends the key",
    async (format) => {
      const { fetch, sent } = spy();
      const client = createClient(backstay.url, { apiKey: key, format, fetch });
      const { account, via } = await client.auth.getCurrent();
      expect([account?.id, via]).toEqual([ada.id, "api_key"]);
      await client.accounts.updateAccount({ account: { phone: format }, updateMask: { paths: ["phone"] } });

      const stream = client.events.subscribe({ types: ["message.add"] });
      await stream.ready();
      const ben = await backstay.signUp();
      await ben.client.messages.sendMessage({ recipientId: ada.id, text: "signed" });
      const { value } = await within(5_000, stream.next(), "the message comes by the signed stream");
      expect(value?.data?.text).toBe("signed");
      await stream.return();

      expect(sent.length).toBeGreaterThanOrEqual(3);
      for (const headers of sent) {
        expect(headers.get("authorization")).toBeNull();
        expect([...headers.values()].join(" ")).not.toContain(key.key.slice(6));
      }
    },
  );

  it("signs what it sends once more anew", async () => {
    let down = true;
    const { fetch: spied, sent } = spy(async (input, init) => {
      const response = await fetch(input, init);
      if (!down) return response;
      // The change was made, and its answer lost on the way.
      down = false;
      throw new TypeError("fetch failed");
    });
    const client = createClient(backstay.url, { apiKey: key, fetch: spied });
    const ben = await backstay.signUp();
    const { message } = await client.messages.sendMessage({ recipientId: ben.id, text: "twice signed, once sent" });
    expect(sent).toHaveLength(2);
    expect(sent[0]!.get("signature")).not.toBe(sent[1]!.get("signature"));
    const { messages } = await ben.client.messages.listMessages({});
    expect(messages.map(({ id }) => id)).toEqual([message?.id]);
  });

  it("opens no WebSocket, which could not be signed", async () => {
    const client = createClient(backstay.url, { apiKey: key, webSocket: vi.fn() });
    expect(() => client.socket()).toThrow(expect.objectContaining({ reason: "NO_WEB_SOCKET" }));
  });

  it("is told when its key is no longer good", async () => {
    const stranger = createClient(backstay.url, { apiKey: { ...key, key: `bs_ak_${"A".repeat(43)}` } });
    expect(await rejection(stranger.auth.getCurrent())).toMatchObject({ reason: "INVALID_SIGNATURE" });
  });
});

describe("a client with an API key as text", () => {
  it("sends it with every call", async () => {
    const client = createClient(backstay.url, { apiKey: key.key });
    const { account, via } = await client.auth.getCurrent();
    expect([account?.id, via]).toEqual([ada.id, "api_key"]);
    expect(BackstayError.is(await rejection(client.auth.signIn(ada)), "FIXED_TOKEN")).toBe(true);
  });
});

describe("signRequest", () => {
  /** Signs a request and sends it. */
  async function send(path: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
    const url = `${backstay.url}${path}`;
    const signed = await signRequest({ url, ...init }, key);
    const response = await fetch(url, { ...init, headers: { ...init.headers, ...signed } });
    return { status: response.status, json: await response.json() };
  }
  const json = { "content-type": "application/json" };

  it("signs a GET by REST, its parameters in whatever order", async () => {
    expect((await send("/v1/auth/current")).json.account.id).toBe(ada.id);
    expect((await send("/v1/messages?since=2026-01-01T00:00:00Z&pageSize=2&pageToken=")).status).toBe(200);
  });

  it("signs a Connect GET", async () => {
    const query = "connect=v1&encoding=json&message=%7B%7D";
    const { status, json } = await send(`/backstay.auth.v1.AuthService/GetCurrent?${query}`);
    expect([status, json.account.id]).toEqual([200, ada.id]);
  });

  it("signs bodies, and changes without one", async () => {
    const ben = await backstay.signUp();
    const body = JSON.stringify({ recipientId: ben.id, text: "ünï 😀" });
    const headers = { ...json, "idempotency-key": "one" };
    const sent = await send("/v1/messages", { method: "post", headers, body });
    expect(sent.json.message.text).toBe("ünï 😀");
    const deleted = await send(`/v1/messages?senderId=${ben.id}`, { method: "DELETE" });
    expect(deleted.status).toBe(200);
  });

  it("covers what it says: the same headers do not serve for another body", async () => {
    const url = `${backstay.url}/v1/messages`;
    const signed = await signRequest({ method: "POST", url, headers: json, body: "{}" }, key);
    const response = await fetch(url, { method: "POST", headers: { ...json, ...signed }, body: "[]" });
    expect(response.status).toBe(401);
  });

  it("refuses an id that is none without quoting it: it may be the key", async () => {
    const refusal = await rejection(signRequest({ url: backstay.url }, { id: key.key, key: key.id }));
    expect(refusal).toMatchObject({ code: "invalid_argument", message: "the id of the API key is malformed" });
  });

  it("says so where there is no Web Crypto", async () => {
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
    onTestFinished(() => void vi.unstubAllGlobals());
    const refusal = await rejection(signRequest({ url: backstay.url }, key));
    expect(refusal).toMatchObject({ code: "failed_precondition", reason: "NO_WEB_CRYPTO" });
  });
});
