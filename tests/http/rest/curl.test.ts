import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { curl } from "../../wire/curl.js";
import { atEnd } from "../listener-harness.js";
import { rpc } from "./conformance.js";
import { DOWNLOAD, UPLOAD, type UploadedPiece } from "./files.js";
import { serveLibrary } from "./library-server.js";

const TITLE = "x".repeat(5000);
const FILE = Buffer.alloc(3 * 2 ** 20, "file");

const rpcs = {
  Create: rpc("post /v1/books", "Book", { body: "*" }),
  Upload: {
    ...UPLOAD,
    async handler(pieces: AsyncIterable<UploadedPiece>) {
      let bytes = 0;
      let filename = "";
      for await (const piece of pieces) {
        filename ||= piece.filename;
        bytes += piece.file.data.length;
      }
      return { filename, bytes: String(bytes) };
    },
  },
  Download: {
    ...DOWNLOAD,
    async *handler() {
      for (let at = 0; at < FILE.length; at += 100_000) {
        yield { contentType: "text/plain", data: FILE.subarray(at, at + 100_000) };
      }
    },
  },
};

/** A file with these bytes for `--data-binary`. */
function file(bytes: Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), "backstay-curl-"));
  atEnd(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "body"), bytes);
  return `@${join(folder, "body")}`;
}

const JSON_TYPE = ["-H", "content-type: application/json"];

test.each([["HTTP/1.1"], ["HTTP/2"]])(
  "curl sends gzip, and is answered in gzip when it likes, by %s",
  async (version) => {
    const http2 = version === "HTTP/2";
    const { port } = await serveLibrary(rpcs, { http2, messageBytes: 10_000 });
    const speak = http2 ? ["--http2-prior-knowledge"] : [];
    const sent = file(gzipSync(JSON.stringify({ title: TITLE })));
    const args = [...speak, ...JSON_TYPE, "-H", "content-encoding: gzip", "--data-binary", sent];
    const url = `http://127.0.0.1:${port}/v1/books`;
    expect(await curl(url, { args })).toMatchObject({ status: 200, json: { title: TITLE } });
    expect(await curl(url, { args: [...args, "--compressed"] })).toMatchObject({ status: 200, json: { title: TITLE } });
    const packed = await curl(url, { args: [...args, "-H", "accept-encoding: gzip"] });
    expect(packed.text.charCodeAt(0)).toBe(0x1f);
    expect(packed.text.length).toBeLessThan(1000);
  },
);

test("curl uploads a file in pieces, packed or not, and downloads one", async () => {
  const { port } = await serveLibrary(rpcs);
  const url = `http://127.0.0.1:${port}/v1/files/f`;
  const stored = { filename: "f", bytes: String(FILE.length) };
  const chunked = ["-H", "transfer-encoding: chunked", "-H", "content-type: text/plain"];
  expect((await curl(`${url}:upload`, { args: [...chunked, "--data-binary", file(FILE)] })).json).toEqual(stored);
  const packed = ["-H", "content-encoding: gzip", "--data-binary", file(gzipSync(FILE))];
  expect((await curl(`${url}:upload`, { args: packed })).json).toEqual(stored);
  const taken = file(Buffer.alloc(0)).slice(1);
  expect((await curl(url, { args: ["-o", taken] })).status).toBe(200);
  expect(readFileSync(taken).equals(FILE)).toBe(true);
});
