import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { serveLibrary } from "./library-server.js";

const rpcs = {
  Create: { rule: { pattern: { case: "post" as const, value: "/v1/books" }, body: "*" }, input: "Book" },
  Replace: { rule: { pattern: { case: "put" as const, value: "/v1/books/{name}" }, body: "*" }, input: "Book" },
  Update: {
    rule: { pattern: { case: "patch" as const, value: "/v1/books/{book.name}" }, body: "book" },
    input: "UpdateBook",
  },
  Move: {
    rule: { pattern: { case: "post" as const, value: "/v1/{parent=shelves/*}/books:move" }, body: "names" },
    input: "MoveBooks",
  },
  Count: { rule: { pattern: { case: "post" as const, value: "/v1/keys/{key}:count" }, body: "by" }, input: "Key" },
  Remove: { rule: { pattern: { case: "delete" as const, value: "/v1/books/{name}" } }, input: "Book" },
  Touch: { rule: { pattern: { case: "post" as const, value: "/v1/books/{name}:touch" } }, input: "Book" },
};

const serve = (options?: Parameters<typeof serveLibrary>[1]) => serveLibrary(rpcs, options);

test("a body of * is the message, in which the path has the last word", async () => {
  const { call } = await serve();
  expect((await call("POST /v1/books", { body: { name: "b1", shelfMark: "x", pages: 3 } })).json).toEqual({
    name: "b1",
    shelfMark: "x",
    pages: 3,
  });
  const reply = await call("PUT /v1/books/b1", { body: { name: "b2", title: "T" } });
  expect(reply.json).toEqual({ name: "b1", title: "T" });
});

test("a body of a message field and a variable inside of it make one message", async () => {
  const { call } = await serve();
  const body = { name: "other", title: "T", author: { name: "ada" } };
  const { json } = await call("PATCH /v1/books/b1?note=n", { body });
  expect(json).toMatchObject({ book: { name: "b1", title: "T", author: { name: "ada" } }, note: "n" });
});

test("a body of a list or number is a bare list or number", async () => {
  const { call } = await serve();
  const moved = await call("POST /v1/shelves/s1/books:move", { body: ["b1", "b2"] });
  expect(moved.json).toEqual({ parent: "shelves/s1", names: ["b1", "b2"] });
  expect((await call("POST /v1/keys/k:count", { body: '"18446744073709551615"' })).json.by).toBe(
    "18446744073709551615",
  );
});

test("a PATCH without a mask changes what stands in its body", async () => {
  const { call } = await serve();
  const mask = async (line: string, body: unknown) => (await call(line, { body })).json.updateMask;
  expect(await mask("PATCH /v1/books/b1", { title: "", shelf_mark: "x" })).toBe("title,shelfMark");
  expect(await mask("PATCH /v1/books/b1", { shelfMark: null, name: "b1", author: { name: "a" } })).toBe(
    "shelfMark,author",
  );
  expect(await mask("PATCH /v1/books/b1?update_mask=title", { title: "T", pages: 1 })).toBe("title");
  expect(await mask("PATCH /v1/books/b1?updateMask=", { title: "T" })).toBe("title");
  expect(await mask("PATCH /v1/books/b1", {})).toBe("");
});

test("an empty body says nothing, with or without a content type", async () => {
  const { call } = await serve();
  for (const headers of [{}, { "content-type": "application/json" }, { "content-type": "text/plain" }]) {
    expect((await call("POST /v1/books", { headers })).json).toEqual({});
    expect((await call("PATCH /v1/books/b1", { headers })).json).toEqual({ book: { name: "b1" } });
  }
});

test.each(["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])(
  "the content type %s is read",
  async (type) => {
    const { call } = await serve();
    const reply = await call("POST /v1/books", { body: { title: "é" }, headers: { "content-type": type } });
    expect(reply.json).toEqual({ title: "é" });
  },
);

test.each(["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonp"])(
  "the content type %s is 415",
  async (type) => {
    const { call } = await serve();
    const reply = await call("POST /v1/books", { body: "{}", headers: { "content-type": type } });
    expect(reply).toMatchObject({ status: 415, reason: "UNSUPPORTED_MEDIA_TYPE" });
  },
);

const malformed: Record<string, [line: string, body: string | Buffer, reason: string, field?: string]> = {
  "broken JSON": ["POST /v1/books", "{", "MALFORMED_BODY"],
  "something after the JSON": ["POST /v1/books", "{} {}", "MALFORMED_BODY"],
  null: ["POST /v1/books", "null", "MALFORMED_BODY"],
  "null for a field": ["PATCH /v1/books/b1", "null", "MALFORMED_BODY"],
  "broken JSON for a field": ["PATCH /v1/books/b1", "{", "MALFORMED_BODY"],
  "more than the field": ["PATCH /v1/books/b1", '{}, "note": "n"', "MALFORMED_BODY"],
  "invalid UTF-8": ["POST /v1/books", Buffer.from([0x22, 0xff, 0x22]), "INVALID_UTF8"],
  "invalid UTF-8 for a field": ["POST /v1/shelves/s/books:move", Buffer.from([0x22, 0xff, 0x22]), "INVALID_UTF8"],
  "an unknown field": ["POST /v1/books", '{"isbn":1}', "UNKNOWN_FIELD", "isbn"],
  "an unknown field of the field": ["PATCH /v1/books/b1", '{"isbn":1}', "UNKNOWN_FIELD", "isbn"],
  "a field twice": ["PATCH /v1/books/b1", '{"title":"a","title":"b"}', "MALFORMED_BODY", "title"],
  "a value of another type": ["POST /v1/books", '{"pages":"many"}', "WRONG_TYPE", "pages"],
  "a list of another type": ["POST /v1/shelves/s/books:move", "[1]", "WRONG_TYPE", "names"],
};

test.each(Object.entries(malformed))("%s is refused as Connect refuses it", async (_, [line, body, reason, field]) => {
  const { call } = await serve();
  expect(await call(line, { body })).toMatchObject({ status: 400, reason, field });
});

test("unknown fields are ignored when told so, and stay out of the mask", async () => {
  const { call } = await serve({ ignoreUnknownFields: true });
  const { json } = await call("PATCH /v1/books/b1", { body: { isbn: 1, title: "T" } });
  expect(json).toEqual({ book: { name: "b1", title: "T" }, updateMask: "title" });
});

test("a binding without a body takes none", async () => {
  const { call } = await serve();
  for (const line of ["DELETE /v1/books/b1", "POST /v1/books/b1:touch"]) {
    expect(await call(line, { body: {} })).toMatchObject({ status: 400, reason: "MALFORMED_BODY" });
    expect((await call(line, { headers: { "content-type": "application/json" } })).json).toEqual({ name: "b1" });
  }
});

test("bodies in gzip and brotli are read, other encodings are not", async () => {
  const { call } = await serve();
  const json = JSON.stringify({ title: "T" });
  const sent = {
    gzip: gzipSync(json),
    GZIP: gzipSync(json),
    br: brotliCompressSync(json),
    identity: Buffer.from(json),
  };
  for (const [encoding, body] of Object.entries(sent)) {
    expect((await call("POST /v1/books", { body, headers: { "content-encoding": encoding } })).json).toEqual({
      title: "T",
    });
  }
  const headers = { "content-encoding": "zstd" };
  expect(await call("POST /v1/books", { body: json, headers })).toMatchObject({
    status: 501,
    reason: "UNSUPPORTED_ENCODING",
  });
  const broken = await call("POST /v1/books", { body: json, headers: { "content-encoding": "gzip" } });
  expect(broken).toMatchObject({ status: 400, reason: "MALFORMED_BODY" });
});

test("a body over the limit is 413, announced, in pieces or compressed", async () => {
  const { call } = await serve({ messageBytes: 1000 });
  const body = { title: "x".repeat(1000) };
  const expected = { status: 413, reason: "MESSAGE_TOO_LARGE", json: { code: 8 } };
  expect(await call("POST /v1/books", { body })).toMatchObject(expected);
  expect(await call("POST /v1/books", { body, headers: { "transfer-encoding": "chunked" } })).toMatchObject(expected);
  const compressed = { body: gzipSync(JSON.stringify(body)), headers: { "content-encoding": "gzip" } };
  expect(await call("POST /v1/books", compressed)).toMatchObject(expected);
});
