import http2 from "node:http2";
import { expect, test } from "vitest";
import { Access } from "#gen/backstay/options/v1/options_pb.js";
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

test("who may not call is told before the body is read", async () => {
  const rule = { pattern: { case: "post" as const, value: "/v1/books" }, body: "*" };
  const { call } = await serveLibrary({ Create: { rule, input: "Book", access: Access.ACCOUNT } });
  expect(await call("POST /v1/books", { body: "not JSON" })).toMatchObject({ status: 401, reason: "TOKEN_MISSING" });
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
