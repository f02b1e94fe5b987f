import http2 from "node:http2";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
import { DomainError, type Reason } from "../../../server/kernel/errors.js";
import { atEnd, streamEnd } from "../listener-harness.js";
import { type ServedRpc, serveLibrary } from "./library-server.js";

const GET_BOOK: ServedRpc = { rule: { pattern: { case: "get", value: "/v1/books/{name}" } }, input: "Book" };

const answering = (handler: ServedRpc["handler"] & {}) => ({ GetBook: { ...GET_BOOK, handler } });

test("an answer is JSON with the request id that was sent", async () => {
  const { call } = await serveLibrary({ GetBook: GET_BOOK });
  const { status, headers } = await call("GET /v1/books/b1", { headers: { "x-request-id": "abc" } });
  expect(status).toBe(200);
  expect(headers).toMatchObject({ "content-type": "application/json", "content-length": "13", "x-request-id": "abc" });
  expect((await call("GET /v1/books/b1")).headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
});

test("response_body answers one field, empty when it is not set", async () => {
  const rule = { pattern: { case: "get" as const, value: "/v1/{parent=shelves/*}/names" }, responseBody: "names" };
  const rpc = (names: string[]) => ({ List: { rule, input: "MoveBooks", handler: () => ({ names }) } });
  expect((await (await serveLibrary(rpc(["a", "b"]))).call("GET /v1/shelves/1/names")).text).toBe('["a","b"]');
  expect((await (await serveLibrary(rpc([]))).call("GET /v1/shelves/1/names")).text).toBe("[]");
});

test("an error is a google.rpc.Status with the status HTTP has for it", async () => {
  const { call, calls } = await serveLibrary(
    answering(() => {
      throw new DomainError("NOT_YOUR_ACCOUNT", "Not yours.");
    }),
  );
  const { status, headers, json } = await call("GET /v1/books/b1");
  expect(status).toBe(403);
  expect(headers["content-type"]).toBe("application/json");
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "NOT_YOUR_ACCOUNT", domain: "backstay" };
  expect(json).toEqual({ code: 7, message: "Not yours.", details: [info] });
  expect(calls).toMatchObject([
    { method: "library.v1.LibraryService/GetBook", door: "rest", code: "permission_denied" },
  ]);
});

const STATUS: [Reason, http: number, code: number][] = [
  ["CALL_CANCELED", 499, 1],
  ["INVALID_FIELD", 400, 3],
  ["DEADLINE_EXCEEDED", 504, 4],
  ["ACCOUNT_NOT_FOUND", 404, 5],
  ["LOGIN_TAKEN", 409, 6],
  ["ADMIN_REQUIRED", 403, 7],
  ["RATE_LIMITED", 429, 8],
  ["IDEMPOTENCY_MISMATCH", 400, 9],
  ["CONFLICT", 409, 10],
  ["UNSUPPORTED_ENCODING", 501, 12],
  ["INTERNAL", 500, 13],
  ["DATABASE_UNAVAILABLE", 503, 14],
  ["TOKEN_MISSING", 401, 16],
];

test.each(STATUS)("%s is HTTP %i and code %i", async (reason, status, code) => {
  const { call } = await serveLibrary(
    answering(() => {
      throw new DomainError(reason);
    }),
  );
  expect(await call("GET /v1/books/b1")).toMatchObject({ status, reason, json: { code } });
});

test("a defect is 500 and keeps its text for the log", async () => {
  const { call } = await serveLibrary(
    answering(() => {
      throw new Error("the secret is swordfish");
    }),
  );
  const { status, reason, text } = await call("GET /v1/books/b1");
  expect([status, reason]).toEqual([500, "INTERNAL"]);
  expect(text).not.toContain("swordfish");
});

test("an error that passes tells after how many seconds to try again", async () => {
  const { call } = await serveLibrary(
    answering(() => {
      throw new DomainError("RATE_LIMITED", undefined, { retryAfterMs: 1200 });
    }),
  );
  expect((await call("GET /v1/books/b1")).headers["retry-after"]).toBe("2");
});

test("who may not call is told before the body is read", async () => {
  const rule = { pattern: { case: "post" as const, value: "/v1/books" }, body: "*" };
  const { call } = await serveLibrary({ Create: { rule, input: "Book", access: Access.ACCOUNT } });
  expect(await call("POST /v1/books", { body: "not JSON" })).toMatchObject({ status: 401, reason: "TOKEN_MISSING" });
});

test("an unknown path is 404 and another method 405 with Allow", async () => {
  const { call } = await serveLibrary({ GetBook: GET_BOOK });
  expect(await call("GET /v1/authors")).toMatchObject({ status: 404, reason: "UNKNOWN_PATH", json: { code: 5 } });
  expect(await call("GET /v1/books/b1/")).toMatchObject({ status: 404, reason: "UNKNOWN_PATH" });
  const reply = await call("PUT /v1/books/b1");
  expect(reply).toMatchObject({ status: 405, reason: "METHOD_NOT_ALLOWED", json: { code: 12 } });
  expect(reply.headers.allow).toBe("GET, HEAD");
  expect(reply.headers["x-request-id"]).toBeDefined();
});

test("HEAD answers what GET would, but for the body", async () => {
  const { call } = await serveLibrary(
    answering(({ name }) => {
      if (name === "gone") throw new DomainError("ACCOUNT_NOT_FOUND");
      return { name };
    }),
  );
  const head = await call("HEAD /v1/books/b1");
  expect(head).toMatchObject({ status: 200, text: "" });
  expect(head.headers).toMatchObject({ "content-length": "13", "content-type": "application/json" });
  expect(await call("HEAD /v1/books/gone")).toMatchObject({ status: 404, text: "" });
  expect(await call("HEAD /v1/nothing")).toMatchObject({ status: 404, text: "" });
});

test("answers from 1 KiB on leave in gzip for who would rather have it", async () => {
  const { call } = await serveLibrary(answering(({ name }) => ({ title: "x".repeat(Number(name)) })));
  const encodingOf = async (size: number, accept: string) => {
    const { headers } = await call(`GET /v1/books/${size}`, { headers: { "accept-encoding": accept } });
    return [headers["content-encoding"], headers.vary];
  };
  expect(await encodingOf(1024, "br, gzip")).toEqual(["gzip", "accept-encoding"]);
  expect(await encodingOf(1024, "*")).toEqual(["gzip", "accept-encoding"]);
  expect(await encodingOf(1024, "gzip;q=0")).toEqual([undefined, "accept-encoding"]);
  expect(await encodingOf(1024, "gzip;q=0.2, identity;q=0.9")).toEqual([undefined, "accept-encoding"]);
  expect(await encodingOf(1024, "br")).toEqual([undefined, "accept-encoding"]);
  expect(await encodingOf(100, "gzip")).toEqual([undefined, undefined]);
  const { bytes, headers } = await call("GET /v1/books/2000", { headers: { "accept-encoding": "gzip" } });
  expect(headers["content-length"]).toBe(String(bytes.length));
  expect(JSON.parse(gunzipSync(bytes).toString())).toEqual({ title: "x".repeat(2000) });
});

test("x-server-timeout ends a call that takes longer", async () => {
  const { call } = await serveLibrary(answering(() => new Promise(() => {})));
  const late = await call("GET /v1/books/b1", { headers: { "x-server-timeout": "0.02" } });
  expect(late).toMatchObject({ status: 504, reason: "DEADLINE_EXCEEDED", json: { code: 4 } });
});

test.each(["soon", "-1", "1s", "1e3", "", "."])("x-server-timeout '%s' is refused", async (timeout) => {
  const { call } = await serveLibrary({ GetBook: GET_BOOK });
  const reply = await call("GET /v1/books/b1", { headers: { "x-server-timeout": timeout } });
  expect(reply).toMatchObject({ status: 400, reason: "INVALID_HEADER" });
});

test("HTTP/2 is answered alike, HEAD and errors included", async () => {
  const { port } = await serveLibrary({ GetBook: GET_BOOK }, { http2: true });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  atEnd(() => session.close());
  const end = (method: string, path: string) => streamEnd(session.request({ ":method": method, ":path": path }));
  expect(await end("GET", "/v1/books/b1")).toMatchObject({ status: 200, body: '{"name":"b1"}', code: 0 });
  expect(await end("HEAD", "/v1/books/b1")).toMatchObject({ status: 200, body: "", code: 0 });
  expect(await end("GET", "/v1/books/b1?nope=1")).toMatchObject({ status: 400, code: 0 });
  expect(await end("DELETE", "/v1/books/b1")).toMatchObject({ status: 405, code: 0 });
});
