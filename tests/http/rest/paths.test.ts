import { expect, test } from "vitest";
import { serveLibrary } from "./library-server.js";

const get = (path: string) => ({ pattern: { case: "get" as const, value: path } });

async function servePaths() {
  return serveLibrary({
    GetBook: {
      rule: { ...get("/v1/books/{name}"), additionalBindings: [get("/v1/{name=shelves/*/books/*}")] },
      input: "Book",
    },
    GetPage: { rule: get("/v1/books/{name}/pages/{pages}"), input: "Book" },
    GetAuthor: { rule: get("/v1/authors/{author.name}/{title}"), input: "Book" },
    GetKey: { rule: get("/v1/caches/{cache}/keys/{key=**}"), input: "Key" },
    Add: { rule: get("/v1/caches/{cache}/keys/{key=**}:add"), input: "Key" },
    GetBy: { rule: get("/v1/by/{by}"), input: "Key" },
  });
}

test("path variables set their fields, whatever the binding", async () => {
  const { call } = await servePaths();
  expect((await call("GET /v1/books/b1")).json).toEqual({ name: "b1" });
  expect((await call("GET /v1/shelves/1/books/2")).json).toEqual({ name: "shelves/1/books/2" });
  expect((await call("GET /v1/books/b1/pages/7")).json).toEqual({ name: "b1", pages: 7 });
  expect((await call("GET /v1/caches/c/keys/a/b")).json).toEqual({ cache: "c", key: "a/b" });
  expect((await call("GET /v1/caches/c/keys/a/b:add")).json).toEqual({ cache: "c", key: "a/b" });
});

test("a variable inside of a message makes the message", async () => {
  const { call } = await servePaths();
  const { json } = await call("GET /v1/authors/ada/notes");
  expect(json).toEqual({ author: { name: "ada" }, title: "notes" });
});

test("a variable of one segment is decoded whole; one of several keeps %2F", async () => {
  const { call } = await servePaths();
  expect((await call("GET /v1/books/a%2Fb%20%C3%A9+")).json).toEqual({ name: "a/b é+" });
  expect((await call("GET /v1/caches/c/keys/a%2fb/%20%3A")).json).toEqual({ cache: "c", key: "a%2Fb/ :" });
});

test("numbers in paths are exact, and what is none is refused by name", async () => {
  const { call } = await servePaths();
  expect((await call("GET /v1/by/18446744073709551615")).json).toEqual({ by: "18446744073709551615" });
  for (const path of ["/v1/by/nan", "/v1/by/18446744073709551616", "/v1/by/-1"]) {
    expect(await call(`GET ${path}`)).toMatchObject({ status: 400, reason: "WRONG_TYPE", field: "by" });
  }
});

test("broken percent signs and broken UTF-8 in a path are refused by the field they stand for", async () => {
  const { call, calls } = await servePaths();
  expect(await call("GET /v1/authors/%zz/x")).toMatchObject({
    status: 400,
    reason: "INVALID_FIELD",
    field: "author.name",
  });
  expect(await call("GET /v1/books/%E4")).toMatchObject({ status: 400, reason: "INVALID_UTF8", field: "name" });
  expect(await call("GET /v1/caches/c/keys/%2")).toMatchObject({ status: 400, reason: "INVALID_FIELD", field: "key" });
  expect(calls.map(({ reason }) => reason)).toEqual(["INVALID_FIELD", "INVALID_UTF8", "INVALID_FIELD"]);
});

test("text with a NUL is refused in a path as everywhere", async () => {
  const { call } = await servePaths();
  expect(await call("GET /v1/books/a%00b")).toMatchObject({ status: 400, reason: "NUL_IN_TEXT", field: "name" });
});
