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

const malformed: Record<string, [line: string, body: string | Buffer, reason: string, field?: string]> = {
  "broken JSON": ["POST /v1/books", "{", "MALFORMED_BODY"],
  "broken JSON for a field": ["PATCH /v1/books/b1", "{", "MALFORMED_BODY"],
  "invalid UTF-8": ["POST /v1/books", Buffer.from([0x22, 0xff, 0x22]), "INVALID_UTF8"],
  "invalid UTF-8 for a field": ["POST /v1/shelves/s/books:move", Buffer.from([0x22, 0xff, 0x22]), "INVALID_UTF8"],
  "an unknown field of the field": ["PATCH /v1/books/b1", '{"isbn":1}', "UNKNOWN_FIELD", "isbn"],
  "a field twice": ["PATCH /v1/books/b1", '{"title":"a","title":"b"}', "MALFORMED_BODY", "title"],
  "a value of another type": ["POST /v1/books", '{"pages":"many"}', "WRONG_TYPE", "pages"],
};

test.each(Object.entries(malformed))(
  "%s is refused, the field named as it stands in the body",
  async (_, [line, body, reason, field]) => {
    const { call } = await serve();
    expect(await call(line, { body })).toMatchObject({ status: 400, reason, field });
  },
);

test("unknown fields are ignored when told so, and stay out of the mask", async () => {
  const { call } = await serve({ ignoreUnknownFields: true });
  const { json } = await call("PATCH /v1/books/b1", { body: { isbn: 1, title: "T" } });
  expect(json).toEqual({ book: { name: "b1", title: "T" }, updateMask: "title" });
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
