import http2 from "node:http2";
import { expect, test } from "vitest";
import { atEnd, streamEnd } from "../listener-harness.js";
import { rpc } from "./conformance.js";
import { serveLibrary } from "./library-server.js";

test("UTF-8 that comes unescaped, as HTTP/2 lets it, is read as such or refused by the field it stands for", async () => {
  const { port } = await serveLibrary({ Get: rpc("get /v1/books/{author.name}", "Book") }, { http2: true });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  atEnd(() => session.close());
  const get = async (path: string | Buffer) => {
    const { status, body } = await streamEnd(session.request({ ":path": Buffer.from(path).toString("latin1") }));
    return [status, JSON.parse(body)];
  };
  const book = { author: { name: "Österreich" }, title: "äü" };
  expect(await get("/v1/books/Österreich?title=ä%C3%BC")).toEqual([200, book]);
  expect(await get(Buffer.from("/v1/books/\xff", "latin1"))).toMatchObject([
    400,
    { details: [{ reason: "INVALID_UTF8" }, { fieldViolations: [{ field: "author.name" }] }] },
  ]);
});

test("a name of the query that is none of a field's is repeated as it was meant", async () => {
  const { call } = await serveLibrary({ Get: rpc("get /v1/books/{name}", "Book") });
  expect(await call("GET /v1/books/b?no%70e=1")).toMatchObject({ reason: "UNKNOWN_FIELD", field: "nope" });
});

test("messages that have a JSON of their own are not set piece by piece", async () => {
  const { call } = await serveLibrary({ Get: rpc("get /v1/shelves/{name}", "Shelf") });
  for (const field of ["value.number_value", "any.type_url", "fields.fields"]) {
    expect(await call(`GET /v1/shelves/s?${field}=1`)).toMatchObject({ status: 400 });
  }
});
