import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operatorToken } from "../../domains/support.js";
import { type Person, startBackstay, type TestBackstay } from "../../support/backstay.js";
import { request } from "../../support/http-request.js";
import { type Frame, openSocket, reasonOf } from "./client.js";

let backstay: TestBackstay;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay({ "limits.rate": "off" });
  ada = await backstay.signUp("ada");
  ben = await backstay.signUp("ben");
  for (const text of ["one", "two", "three with a ü and a 🙂"]) {
    await ben.client.messages.sendMessage({ recipientId: ada.id, text });
  }
});
afterAll(() => backstay?.stop());

const bearer = (person?: Person) => (person === undefined ? {} : { authorization: `Bearer ${person.token}` });

/** What a frame says besides its head: what is no object, or has a head of its own, stands under `data`. */
function bodyOf({ op: _, status: __, ...rest }: Frame): unknown {
  const names = Object.keys(rest);
  return names.length === 1 && names[0] === "data" ? rest.data : rest;
}

/** The body of an answer by HTTP: what the predecessor's errors repeat of their status is the frame's. */
async function bodyByHttp(response: Response): Promise<unknown> {
  if (!response.headers.get("content-type")?.startsWith("application/json")) return response.text();
  const json = (await response.json()) as { status?: unknown };
  if (json.status === response.status) delete json.status;
  return json;
}

/** Times, ids of requests, and what counts up between two calls. */
function still(body: unknown): unknown {
  const text = JSON.stringify(body)
    .replace(/"(time|uptime|requestId|cursor|nextPageToken)":("[^"]*"|\d+)/g, '"$1":"…"')
    .replace(/names it by [0-9a-f-]+/g, "names it by …");
  return JSON.parse(text);
}

describe("a path as a frame answers what the path answers by HTTP", () => {
  const calls: [path: string, who: "ada" | "nobody"][] = [
    ["/v1/ping", "nobody"],
    ["/v1/auth/current", "ada"],
    ["/v1/auth/current", "nobody"],
    ["/v1/accounts/me", "ada"],
    ["/v1/accounts/00000000000000000000000000000000", "ada"],
    ["/v1/accounts:batchGet?ids=me&ids=nobody", "ada"],
    ["/v1/accounts?pageSize=2&sort=name&descending=true", "ada"],
    ["/v1/accounts?page_size=-1", "ada"],
    ["/v1/accounts?noSuchField=1", "ada"],
    ["/v1/messages?pageSize=2", "ada"],
    ["/v1/messages?pageSize=2&pageToken=not-one", "ada"],
    ["/v1/messages", "nobody"],
    ["/v1/messages?sender%49d=%zz", "ada"],
    ["/v1/presence?accountIds=me", "ada"],
    ["/v1/events:poll?afterCursor=earliest&gather=0s&types=message.add", "ada"],
    ["/v1/events", "ada"],
    ["/v1/no/such/path", "ada"],
    ["/account/get", "ada"],
    ["/account/get?id=me,nobody&_select=id,login", "ada"],
    ["/account/get", "nobody"],
    ["/account/select?login=ada&_count=1", "ada"],
    ["/message/get?_count=2", "ada"],
    ["/message/get/unread?_count=1", "ada"],
    ["/message/add?id=nobody&msg=hello", "ada"],
    ["/message/add?id=me", "ada"],
    ["/ping", "nobody"],
    // Adds nothing, so that both doors answer the same.
    ["/counter/incr?ping=0", "ada"],
    ["/counter/incr?like0=1", "ada"],
    ["/counter/get", "ada"],
    ["/healthz", "nobody"],
    ["/openapi.json", "nobody"],
    ["/setup", "nobody"],
    ["/backstay.system.v1.SystemService/Ping?connect=v1&encoding=json&message=%7B%7D", "nobody"],
    ["/backstay.system.v1.SystemService/NoSuchMethod", "nobody"],
    ["/backstay.messages.v1.MessageService/SendMessage", "ada"],
    ["//v1//ping?", "nobody"],
    ["/", "nobody"],
  ];

  it.each(calls)("%s by %s", async (path, who) => {
    const person = who === "ada" ? ada : undefined;
    const byHttp = await fetch(backstay.url + path, { headers: bearer(person) });
    const socket = await openSocket(backstay.url, { headers: bearer(person) });
    const frame = await socket.ask(path);
    expect(frame.op).toBe(path.split("?")[0]);
    expect(frame.status).toBe(byHttp.status);
    expect(still(bodyOf(frame))).toEqual(still(await bodyByHttp(byHttp)));
  });

  it("needs an administrator where HTTP does, and takes one where HTTP does", async () => {
    const path = "/account/select?login=ada";
    const hers = await openSocket(backstay.url, { headers: bearer(ada) });
    expect(await hers.ask(path)).toMatchObject({ op: "/account/select", status: 403 });
    const admin = { authorization: `Bearer ${operatorToken(backstay)}` };
    const byHttp = await request(backstay.url + path, { headers: admin });
    const socket = await openSocket(backstay.url, { headers: admin });
    expect(bodyOf(await socket.ask(path))).toEqual(byHttp.json);
    expect(byHttp).toMatchObject({ status: 200, json: { data: [{ id: ada.id }] } });
  });

  it("changes what the path changes", async () => {
    const socket = await openSocket(backstay.url, { headers: bearer(ada) });
    expect(await socket.ask("/account/update?alias=by a frame, ünescaped 🙂")).toMatchObject({
      op: "/account/update",
      status: 200,
      alias: "by a frame, ünescaped 🙂",
    });
    const { account } = await ada.client.accounts.getAccount({ id: "me" });
    expect(account?.alias).toBe("by a frame, ünescaped 🙂");
  });

  it("puts bytes that are no text into base64", async () => {
    const path = "/backstay.system.v1.SystemService/GetInfo?connect=v1&encoding=proto&message=";
    const socket = await openSocket(backstay.url);
    const frame = await socket.ask(path);
    expect(frame).toMatchObject({ status: 200, contentType: "application/proto", data: expect.any(String) });
    expect(Buffer.from(frame.data, "base64").length).toBeGreaterThan(0);
  });
});

describe("paths as frames", () => {
  it("are answered in their order, whatever each takes, and with frames of JSON between them", async () => {
    const socket = await openSocket(backstay.url, { headers: bearer(ada) });
    const asked = [
      "/v1/events:poll?wait=0.3s&types=never.happens",
      "/v1/ping",
      "/message/get",
      { op: "unsubscribe", id: "x" },
      "/v1/accounts/me",
      { op: "nothing-of-ours" },
      "/ping",
    ];
    for (const frame of asked) socket.send(frame);
    const answered = [];
    for (const _ of asked) answered.push((await socket.next()).op);
    expect(answered).toEqual(asked.map((frame) => (typeof frame === "string" ? frame.split("?")[0] : frame.op)));
  });

  it("are refused when a stream would answer", async () => {
    const socket = await openSocket(backstay.url, { headers: bearer(ada) });
    const frame = await socket.ask("/v1/events:subscribe");
    expect(frame).toMatchObject({ op: "/v1/events:subscribe", status: 501 });
    expect(reasonOf(frame)).toBe("NOT_BY_REST");
  });

  it("are refused when the answer is larger than 1 MiB, and answered just below that", async () => {
    const carl = await backstay.signUp();
    const text = "x".repeat(16_000);
    for (let n = 0; n < 60; n++) await ben.client.messages.sendMessage({ recipientId: carl.id, text });
    const socket = await openSocket(backstay.url, { headers: bearer(carl) });
    expect((await socket.ask("/v1/messages?pageSize=500")).messages).toHaveLength(60);
    for (let n = 0; n < 10; n++) await ben.client.messages.sendMessage({ recipientId: carl.id, text });
    const frame = await socket.ask("/v1/messages?pageSize=500");
    expect(frame).toMatchObject({ op: "/v1/messages", status: 413 });
    expect(reasonOf(frame)).toBe("MESSAGE_TOO_LARGE");
    expect(await socket.ask("/v1/messages?pageSize=1")).toMatchObject({ status: 200 });
  });

  it("end with their socket: a poll does not wait for who has gone", async () => {
    const socket = await openSocket(backstay.url, { headers: bearer(ada) });
    socket.send("/v1/events:poll?wait=60s&types=never.happens");
    // What comes in order behind it has come: so has the poll.
    socket.ws.ping();
    await once(socket.ws, "pong");
    socket.ws.terminate();
    await expect.poll(() => backstay.log(), { timeout: 5_000 }).toMatch(/EventService\/Poll.*"code":"canceled"/);
  });

  it("are counted against the caller's budget", async () => {
    const strict = await startBackstay({ "limits.rate": "on" });
    try {
      const carl = await strict.signUp("carl");
      const socket = await openSocket(strict.url, { headers: bearer(carl) });
      let limited: Frame | undefined;
      for (let n = 0; n < 70 && limited === undefined; n++) {
        const frame = await socket.ask("/v1/events:poll?wait=0s");
        if (frame.status === 429) limited = frame;
        if (n % 40 === 39) await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      expect(limited && reasonOf(limited)).toBe("RATE_LIMITED");
      const byHttp = await request(`${strict.url}/v1/events:poll?wait=0s`, { headers: bearer(carl) });
      expect(byHttp.reason).toBe("RATE_LIMITED");
    } finally {
      await strict.stop();
    }
  });

  it("stand in the access log, as their caller's", async () => {
    const socket = await openSocket(backstay.url, { headers: bearer(ben) });
    await socket.ask("/message/get?_count=3");
    await expect
      .poll(() => backstay.log(), { timeout: 5_000 })
      .toMatch(new RegExp(`ListMessages","door":"compat","code":"ok".*"account":"${ben.id}"`));
  });
});
