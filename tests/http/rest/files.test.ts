import http from "node:http";
import http2 from "node:http2";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { atEnd, once, signal, streamEnd } from "../listener-harness.js";
import { rpc } from "./conformance.js";
import { DOWNLOAD, send, UPLOAD, type UploadedPiece } from "./files.js";
import { type LibraryOptions, serveLibrary } from "./library-server.js";

const UP = "POST /v1/files/f:upload";

/** Serves an upload whose verb takes everything, and what it was given. */
async function serveUpload(options: LibraryOptions & { http2?: boolean } = {}) {
  const pieces: UploadedPiece[] = [];
  const handler = async (uploaded: AsyncIterable<UploadedPiece>) => {
    for await (const piece of uploaded) pieces.push(piece);
    return { filename: pieces[0]?.filename, bytes: String(size()) };
  };
  const size = () => pieces.reduce((sum, { file }) => sum + file.data.length, 0);
  const text = () => Buffer.concat(pieces.map(({ file }) => file.data)).toString();
  return { ...(await serveLibrary({ Upload: { ...UPLOAD, handler } }, options)), pieces, text };
}

test("an upload is not bounded as a message, but by a limit of its own", async () => {
  const { port, pieces } = await serveUpload({ messageBytes: 10, uploadBytes: 100 });
  const upload = (size: number, headers: http.OutgoingHttpHeaders) => {
    const sent = send(port, UP, headers);
    sent.req.end(Buffer.alloc(size));
    return sent.reply;
  };
  expect(await upload(100, {})).toMatchObject({ status: 200, json: { bytes: "100" } });
  pieces.length = 0;
  expect(await upload(101, { "content-length": 101 })).toMatchObject({ status: 413, reason: "MESSAGE_TOO_LARGE" });
  expect(pieces).toEqual([]);
  expect(await upload(101, { "transfer-encoding": "chunked" })).toMatchObject({ status: 413, json: { code: 8 } });
});

test("an upload may be compressed, and is bounded by what comes out", async () => {
  const { call, text, pieces } = await serveUpload({ uploadBytes: 1000 });
  const gzip = (plain: string | Buffer) => ({ body: gzipSync(plain), headers: { "content-encoding": "gzip" } });
  expect((await call(UP, gzip("hello"))).status).toBe(200);
  expect(text()).toBe("hello");
  expect(await call(UP, gzip(Buffer.alloc(100_000)))).toMatchObject({ status: 413, reason: "MESSAGE_TOO_LARGE" });
  const broken = { body: "hello", headers: { "content-encoding": "gzip" } };
  expect(await call(UP, broken)).toMatchObject({ status: 400, reason: "MALFORMED_BODY" });
  const unknown = { body: "hello", headers: { "content-encoding": "zstd" } };
  pieces.length = 0;
  expect(await call(UP, unknown)).toMatchObject({ status: 501, reason: "UNSUPPORTED_ENCODING" });
  expect(pieces).toEqual([]);
});

test("an upload of nothing is one message, which tells what the path and the query say", async () => {
  const { call, pieces } = await serveUpload();
  await call(`${UP}?folder=d`, { headers: { "content-type": "image/png" } });
  expect(pieces).toMatchObject([{ filename: "f", folder: "d", file: { contentType: "image/png" } }]);
});

test("what the path or the query of an upload says wrongly is told before its bytes are read", async () => {
  const { port, pieces } = await serveUpload();
  const { req, reply } = send(port, `${UP}?nope=1`, { "content-length": 1000 });
  req.flushHeaders();
  expect(await reply).toMatchObject({ status: 400, reason: "UNKNOWN_FIELD", headers: { connection: "close" } });
  expect(pieces).toEqual([]);
});

test("a verb may answer before it has seen all", async () => {
  const handler = async (pieces: AsyncIterable<UploadedPiece>) => {
    for await (const { filename } of pieces) return { filename };
    return {};
  };
  const { port } = await serveLibrary({ Upload: { ...UPLOAD, handler } });
  const { req, reply } = send(port, UP, { "content-length": 1000 });
  req.write("x");
  expect(await reply).toMatchObject({ status: 200, json: { filename: "f" }, headers: { connection: "close" } });
});

test("an upload that takes too long is 504, though its caller sends no more", async () => {
  const { port, calls } = await serveUpload();
  const { req, reply } = send(port, UP, { "content-length": 1000, "x-server-timeout": "0.05" });
  req.write("x");
  expect(await reply).toMatchObject({ status: 504, reason: "DEADLINE_EXCEEDED" });
  expect(calls).toMatchObject([{ code: "deadline_exceeded" }]);
});

test("a verb hears of a caller who hangs up in the middle of an upload", async () => {
  const begun = signal();
  const ended = signal<unknown>();
  const handler = async (pieces: AsyncIterable<UploadedPiece>) => {
    try {
      for await (const _ of pieces) begun.fire();
    } catch (error) {
      ended.fire(error);
      throw error;
    }
    return {};
  };
  const { port } = await serveLibrary({ Upload: { ...UPLOAD, handler } });
  const { req, reply } = send(port, UP, { "content-length": 1000 });
  reply.catch(() => {});
  req.write("x");
  await begun.promise;
  req.destroy();
  expect(await ended.promise).toMatchObject({ reason: "CALL_CANCELED" });
});

test("HTTP/2 uploads and downloads alike", async () => {
  const up = await serveUpload({ http2: true });
  const session = http2.connect(`http://127.0.0.1:${up.port}`);
  atEnd(() => session.close());
  const stream = session.request({ ":method": "POST", ":path": "/v1/files/f:upload" });
  stream.end(Buffer.alloc(300_000));
  expect(await streamEnd(stream)).toMatchObject({ status: 200, body: '{"filename":"f","bytes":"300000"}', code: 0 });
});

test("a download that fails after its first bytes is broken off, so that nobody takes it for whole", async () => {
  const rpcs = {
    Download: {
      ...DOWNLOAD,
      async *handler() {
        yield { contentType: "a/b", data: Buffer.from("half") };
        throw new DomainError("CONFLICT");
      },
    },
  };
  const { call, calls } = await serveLibrary(rpcs);
  await expect(call("GET /v1/files/f")).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  expect(calls).toMatchObject([{ code: "aborted", reason: "CONFLICT" }]);
  const { port } = await serveLibrary(rpcs, { http2: true });
  const session = http2.connect(`http://127.0.0.1:${port}`);
  atEnd(() => session.close());
  const { code } = await streamEnd(session.request({ ":path": "/v1/files/f" }));
  expect(code).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
});

test("a download that fails before its first bytes has a status of its own", async () => {
  const { call } = await serveLibrary({
    Download: {
      ...DOWNLOAD,
      // biome-ignore lint/correctness/useYield: it fails before.
      async *handler() {
        throw new DomainError("MESSAGE_NOT_FOUND");
      },
    },
    Typed: {
      ...rpc("get /v1/typed", "Upload", { output: ".google.api.HttpBody", stream: true }),
      async *handler() {
        yield { contentType: "a\r\nb: c", data: Buffer.of(1) };
      },
    },
  });
  expect(await call("GET /v1/files/f")).toMatchObject({ status: 404, reason: "MESSAGE_NOT_FOUND" });
  expect(await call("GET /v1/typed")).toMatchObject({ status: 500, reason: "INTERNAL" });
});

test("a caller who hangs up in the middle of a download ends its verb", async () => {
  const returned = signal();
  const { port, calls } = await serveLibrary({
    Download: {
      ...DOWNLOAD,
      async *handler() {
        try {
          for (;;) yield { contentType: "", data: Buffer.alloc(1000) };
        } finally {
          returned.fire();
        }
      },
    },
  });
  const req = http.get({ port, path: "/v1/files/f" });
  const [res] = (await once(req, "response")) as [http.IncomingMessage];
  await once(res, "data");
  res.destroy();
  await returned.promise;
  expect(calls).toMatchObject([{ code: "canceled" }]);
});
