import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import type { Call } from "../../../server/rpc/call.js";
import { rpc } from "./conformance.js";
import { UPLOAD } from "./files.js";
import { serveLibrary } from "./library-server.js";

const rpcs = {
  Get: rpc("get /v1/books/{name}", "Book"),
  Create: rpc("post /v1/books", "Book", { body: "*" }),
  Watch: rpc("get /v1/notes:watch", "WatchNotes", {
    output: "NoteOrBye",
    stream: true,
    async *handler() {
      yield { choice: { case: "bye", value: {} } };
    },
  }),
  Upload: { ...UPLOAD, handler: () => Promise.resolve({}) },
};

/** Notes what each call was to prove. */
async function serveProved(prove: (body: string) => void | Promise<void> = () => {}) {
  const proved: string[] = [];
  const onCall = (call: Call) => {
    call.proof = (body) => {
      proved.push(body.toString());
      return prove(body.toString());
    };
  };
  return { ...(await serveLibrary(rpcs, { onCall })), proved };
}

test("every call is proved with its body as it was before it was read, or with nothing", async () => {
  const { call, proved } = await serveProved();
  const packed = { body: gzipSync('{"title":"T"}'), headers: { "content-encoding": "gzip" } };
  for (const [line, sent] of [
    ["GET /v1/books/b"],
    ["HEAD /v1/books/b"],
    ["GET /v1/notes:watch"],
    ["POST /v1/books"],
    ["POST /v1/books", { body: '{ "title": "T" }' }],
    ["POST /v1/books", packed],
    ["POST /v1/files/f:upload", { body: "bytes" }],
  ] as const) {
    expect((await call(line, sent)).status, line).toBe(200);
  }
  expect(proved).toEqual(["", "", "", "", '{ "title": "T" }', '{"title":"T"}', ""]);
});

test.each([false, true])("a proof that fails is told before the body is decoded (late: %s)", async (late) => {
  const { call } = await serveProved((body) => {
    const error = new DomainError("INVALID_TOKEN", `not over ${body}`);
    if (late) return Promise.reject(error);
    throw error;
  });
  const reply = await call("POST /v1/books", { body: "no JSON" });
  expect(reply).toMatchObject({ status: 401, reason: "INVALID_TOKEN", json: { message: "not over no JSON" } });
  expect(reply.headers["www-authenticate"]).toBe("Bearer");
});

test("the cookies of a call go out with every answer: a message, an error, a stream, bytes, a HEAD", async () => {
  const { call } = await serveLibrary(
    {
      ...rpcs,
      Page: rpc("get /v1/page", ".google.api.HttpBody"),
      Long: rpc("get /v1/long", "Book", {
        handler: () => ({ title: "x".repeat(2000) }),
      }),
    },
    { onCall: ({ cookies }) => cookies.push("a=1; Path=/", "b=2") },
  );
  const lines = [
    "GET /v1/books/b",
    "HEAD /v1/books/b",
    "GET /v1/books/b?nope=1",
    "GET /v1/page",
    "GET /v1/notes:watch",
  ];
  for (const line of lines) {
    expect((await call(line)).headers["set-cookie"], line).toEqual(["a=1; Path=/", "b=2"]);
  }
  const packed = await call("GET /v1/long", { headers: { "accept-encoding": "gzip" } });
  expect(packed.headers).toMatchObject({ "content-encoding": "gzip", "set-cookie": ["a=1; Path=/", "b=2"] });
});
