import http from "node:http";
import http2 from "node:http2";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { ANONYMOUS } from "../../../server/kernel/caller.js";
import { DomainError } from "../../../server/kernel/errors.js";
import { atEnd, once, signal, streamEnd } from "../listener-harness.js";
import { type ServedRpc, serveLibrary } from "./library-server.js";

const WATCH: ServedRpc = {
  rule: { pattern: { case: "get", value: "/v1/notes:watch" } },
  input: "WatchNotes",
  output: "NoteOrBye",
  stream: true,
};

const note = (text: string, cursor = "") => ({ item: undefined, choice: { case: "note", value: { text, cursor } } });
const bye = { choice: { case: "bye", value: { reason: "late" } } };

const streaming = (handler: ServedRpc["handler"] & {}, options?: Parameters<typeof serveLibrary>[1]) =>
  serveLibrary({ Watch: { ...WATCH, handler } }, options);

const accept = (type: string) => ({ headers: { accept: type } });
const LINES = "application/x-ndjson";
const EVENTS = "text/event-stream";

async function* two() {
  yield note("a", "c1");
  yield bye;
}

async function* failing() {
  yield note("a", "c1");
  throw new DomainError("SLOW_READER", "Too slow.");
}

test("lines: one bare message each, not kept by anyone between", async () => {
  const { call, calls } = await streaming(two);
  const { status, headers, text } = await call("GET /v1/notes:watch", accept(LINES));
  expect(status).toBe(200);
  expect(text).toBe('{"note":{"cursor":"c1","text":"a"}}\n{"bye":{"reason":"late"}}\n');
  expect(headers).toMatchObject({ "content-type": LINES, "cache-control": "no-store", "x-accel-buffering": "no" });
  expect(headers["x-request-id"]).toBeDefined();
  expect(calls).toMatchObject([{ door: "rest", code: "ok" }]);
});

test("events: the message as data, its cursor as id", async () => {
  const { call } = await streaming(two);
  const { headers, text } = await call("GET /v1/notes:watch", accept(EVENTS));
  expect(text).toBe('id: c1\ndata: {"note":{"cursor":"c1","text":"a"}}\n\ndata: {"bye":{"reason":"late"}}\n\n');
  expect(headers).toMatchObject({ "content-type": EVENTS, "cache-control": "no-store", "x-accel-buffering": "no" });
});

test("events: a message's own cursor is its id too, but never one that would break the line", async () => {
  async function* notes() {
    yield { cursor: "c1", text: "a" };
    yield { cursor: "c2\nevent: x", text: "b" };
  }
  const { call } = await serveLibrary({ Watch: { ...WATCH, output: "Note", handler: notes } });
  const { text } = await call("GET /v1/notes:watch", accept(EVENTS));
  expect(text).toBe('id: c1\ndata: {"cursor":"c1","text":"a"}\n\ndata: {"cursor":"c2\\nevent: x","text":"b"}\n\n');
});

test("events: which fields are cursors is the house's to say", async () => {
  async function* notes() {
    yield { choice: { case: "bye", value: { reason: "r1" } } };
    yield note("a", "c1");
  }
  const { call } = await streaming(notes, { cursorFields: ["cursor", "reason"] });
  const { text } = await call("GET /v1/notes:watch", accept(EVENTS));
  expect(text).toMatch(/^id: r1\ndata: .*\n\nid: c1\n/);
});

test.each([undefined, "*/*", "application/json", "text/html", "text/event-stream;q=0", "constructor", "__proto__"])(
  "a JSON array for who accepts %s",
  async (type) => {
    const { call } = await streaming(two);
    const reply = await call("GET /v1/notes:watch", type === undefined ? {} : accept(type));
    expect(reply.json).toEqual([{ note: { cursor: "c1", text: "a" } }, { bye: { reason: "late" } }]);
    expect(reply.headers["content-type"]).toBe("application/json");
  },
);

test("the form a caller likes best wins", async () => {
  const { call } = await streaming(two);
  const typeOf = async (type: string) => (await call("GET /v1/notes:watch", accept(type))).headers["content-type"];
  expect(await typeOf("text/event-stream, application/x-ndjson")).toBe(EVENTS);
  expect(await typeOf("text/event-stream;q=0.5, Application/X-NDJSON")).toBe(LINES);
  expect(await typeOf("application/json, text/event-stream;q=0.5")).toBe("application/json");
});

test("a stream of nothing is empty, as an array an empty one", async () => {
  const { call } = await streaming(async function* () {});
  expect((await call("GET /v1/notes:watch", accept(LINES))).text).toBe("");
  expect((await call("GET /v1/notes:watch")).text).toBe("[]");
});

test("Last-Event-ID resumes, and is newer than the cursor of the URL", async () => {
  const { call } = await streaming(async function* ({ afterCursor, topic }) {
    yield note(`${topic} after ${afterCursor}`);
  });
  const textOf = async (query: string, id?: string) => {
    const headers = { accept: "application/json", ...(id !== undefined && { "last-event-id": id }) };
    return (await call(`GET /v1/notes:watch?topic=t${query}`, { headers })).json[0].note.text;
  };
  expect(await textOf("", "c5")).toBe("t after c5");
  expect(await textOf("&after_cursor=c1", "c5")).toBe("t after c5");
  expect(await textOf("&after_cursor=c1")).toBe("t after c1");
  expect(await textOf("&after_cursor=c1", "")).toBe("t after c1");
});

test("an error after the first message breaks an array off, by HTTP/1.1 and HTTP/2", async () => {
  const { call } = await streaming(failing);
  await expect(call("GET /v1/notes:watch")).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  const { port } = await streaming(failing, { http2: true });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  atEnd(() => session.close());
  const end = await streamEnd(session.request({ ":path": "/v1/notes:watch" }));
  expect(end.code).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
});

test("a message leaves, with the headers, before the next one is there", async () => {
  const next = signal();
  const { port } = await streaming(async function* () {
    yield note("a");
    await next.promise;
    yield note("b");
  });
  const res = await open(port);
  const [first] = await once(res, "data");
  expect(String(first)).toBe('{"note":{"text":"a"}}\n');
  next.fire();
  const [second] = await once(res, "data");
  expect(String(second)).toBe('{"note":{"text":"b"}}\n');
});

test("a caller who hangs up by HTTP/2 ends the call too", async () => {
  const aborted = signal<unknown>();
  const { port } = await streaming(
    async function* (_, ctx) {
      yield note("a");
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      aborted.fire(ctx.signal.reason);
    },
    { http2: true },
  );
  const session = http2.connect(`http://127.0.0.1:${port}`);
  atEnd(() => session.close());
  const stream = session.request({ ":path": "/v1/notes:watch", accept: LINES });
  stream.on("error", () => {});
  await once(stream, "data");
  stream.close(http2.constants.NGHTTP2_CANCEL);
  expect(await aborted.promise).toMatchObject({ reason: "CALL_CANCELED" });
});

test("a caller who hangs up while he is being recognised ends the call", async () => {
  const asked = signal();
  const known = signal();
  const log = signal();
  const { port, server, calls } = await serveLibrary(
    { Create: { rule: { pattern: { case: "post", value: "/v1/books" }, body: "*" }, input: "Book" } },
    {
      async authenticate() {
        asked.fire();
        await known.promise;
        setImmediate(log.fire);
        return ANONYMOUS;
      },
    },
  );
  const connected = once(server, "connection");
  const headers = { authorization: "Bearer x", "content-type": "application/json", "content-length": 100 };
  const req = http.request({ port, method: "POST", path: "/v1/books", headers });
  req.on("error", () => {});
  req.write("{");
  await asked.promise;
  const [socket] = await connected;
  req.destroy();
  await once(socket as Socket, "close");
  known.fire();
  await log.promise;
  expect(calls).toMatchObject([{ code: "canceled" }]);
});

test("the deadline ends a stream whose handler does not heed it", async () => {
  const { call, calls } = await streaming(async function* () {
    yield note("a");
    await new Promise(() => {});
  });
  const headers = { accept: LINES, "x-server-timeout": "0.05" };
  const { text } = await call("GET /v1/notes:watch", { headers });
  expect(JSON.parse(text.split("\n")[1]!)).toMatchObject({ error: { code: 4 } });
  expect(calls).toMatchObject([{ code: "deadline_exceeded" }]);
});

test("a reader who reads nothing is waited for, and misses nothing", async () => {
  const total = 200;
  let sent = 0;
  const { port } = await streaming(async function* () {
    while (sent < total) {
      sent += 1;
      yield note("x".repeat(256 * 1024));
    }
  });
  const res = await open(port);
  let quiet = 0;
  for (let seen = sent; quiet < 500; seen = sent) {
    await new Promise((resolve) => setImmediate(resolve));
    quiet = sent === seen ? quiet + 1 : 0;
  }
  expect(sent).toBeLessThan(total);
  let text = "";
  res.setEncoding("latin1").on("data", (chunk) => {
    text += chunk;
  });
  await once(res, "end");
  expect(text.split("\n").length).toBe(total + 1);
});

/** The response as soon as its headers are there, not yet read. */
function open(port: number): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = http.get({ port, path: "/v1/notes:watch", headers: { accept: LINES } }, resolve);
    req.on("error", reject);
    atEnd(() => {
      req.destroy();
    });
  });
}
