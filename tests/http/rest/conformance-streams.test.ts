import http from "node:http";
import type { Socket } from "node:net";
import { expect } from "vitest";
import { DomainError } from "../../../server/kernel/errors.js";
import { atEnd, once, signal } from "../listener-harness.js";
import { conformance, type Exchange, exchange, rpc } from "./conformance.js";
import { DOWNLOAD, quiet, send, UPLOAD, type UploadedPiece } from "./files.js";
import { serveLibrary } from "./library-server.js";

const LINES = { headers: { accept: "application/x-ndjson" } };
const EVENTS = { headers: { accept: "text/event-stream" } };
const WATCH = rpc("get /v1/notes:watch", "WatchNotes", { output: "NoteOrBye", stream: true });

const note = (text: string, cursor = "") => ({ choice: { case: "note", value: { text, cursor } } });

async function* two() {
  yield note("a", "c1");
  yield note("b", "c2");
}

async function* failing() {
  yield note("a", "c1");
  throw new DomainError("SLOW_READER", "Too slow.");
}

conformance({
  43: {
    shows:
      "HttpBody in streams: an upload is messages of bytes, a download bytes of messages, at the pace of its reader",
    async also() {
      const pieces: UploadedPiece[] = [];
      const { port } = await serveLibrary({
        Upload: {
          ...UPLOAD,
          async handler(uploaded) {
            for await (const piece of uploaded) pieces.push(piece);
            return { bytes: pieces.reduce((sum, { file }) => sum + file.data.length, 0) };
          },
        },
      });
      const total = 5 * 2 ** 20;
      const sent = send(port, "POST /v1/files/f.png:upload?folder=d", { "content-type": "image/png" });
      sent.req.end(Buffer.alloc(total, "x"));
      expect((await sent.reply).json).toEqual({ bytes: String(total) });
      expect(pieces.length).toBeGreaterThan(10);
      const [first, ...others] = pieces;
      expect(first).toMatchObject({ filename: "f.png", folder: "d", file: { contentType: "image/png" } });
      for (const { filename, folder, file } of others) {
        expect([filename, folder, file.contentType]).toEqual(["", "", ""]);
      }
      await uploadsWait();
      await downloadsWait();
    },
  },
  44: {
    shows: "a stream is lines, events or an array, by Accept; an error before the first message has its own status",
    rpcs: {
      Watch: { ...WATCH, handler: two },
      Fail: {
        ...rpc("get /v1/fail", "WatchNotes", { output: "NoteOrBye", stream: true }),
        // biome-ignore lint/correctness/useYield: it fails before.
        async *handler() {
          throw new DomainError("TOPIC_FORBIDDEN");
        },
      },
    },
    exchanges: [
      [
        "GET /v1/notes:watch",
        {
          text: '{"note":{"cursor":"c1","text":"a"}}\n{"note":{"cursor":"c2","text":"b"}}\n',
          headers: { "content-type": "application/x-ndjson" },
          verb: "Watch",
        },
        LINES,
      ],
      [
        "GET /v1/notes:watch",
        {
          text: 'id: c1\ndata: {"note":{"cursor":"c1","text":"a"}}\n\nid: c2\ndata: {"note":{"cursor":"c2","text":"b"}}\n\n',
          headers: { "content-type": "text/event-stream" },
        },
        EVENTS,
      ],
      [
        "GET /v1/notes:watch",
        {
          json: [{ note: { cursor: "c1", text: "a" } }, { note: { cursor: "c2", text: "b" } }],
          headers: { "content-type": "application/json" },
        },
      ],
      ...[LINES, EVENTS, {}].map(
        (sent): Exchange => [
          "GET /v1/fail",
          { status: 403, reason: "TOPIC_FORBIDDEN", verb: "Fail", headers: { "content-type": "application/json" } },
          sent,
        ],
      ),
    ],
    async also() {
      const status = { code: 8, message: "Too slow.", details: [{ reason: "SLOW_READER" }] };
      const { call } = await serveLibrary({ Watch: { ...WATCH, handler: failing } });
      const [, line] = (await call("GET /v1/notes:watch", LINES)).text.split("\n");
      expect(JSON.parse(line!)).toMatchObject({ error: status });
      const [, event] = (await call("GET /v1/notes:watch", EVENTS)).text.split("\n\n");
      expect(event).toMatch(/^event: error\ndata: /);
      expect(JSON.parse(event!.slice(event!.indexOf("{")))).toMatchObject(status);
      await expect(call("GET /v1/notes:watch")).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    },
  },
  45: {
    shows: "a caller who hangs up ends his stream; a stream both ways, or of JSON to us, is 501 when it is called",
    rpcs: {
      Both: rpc("post /v1/both", "Note", { body: "*", stream: true, streamsRequests: true }),
      BothBytes: rpc("post /v1/bytes", "Upload", { body: "file", stream: true, streamsRequests: true }),
      Notes: rpc("post /v1/notes", "Note", { body: "*", streamsRequests: true }),
    },
    exchanges: [
      ["POST /v1/both", { status: 501, reason: "NOT_BY_REST" }, { body: {} }],
      ["POST /v1/bytes", { status: 501, reason: "NOT_BY_REST" }, { body: "x" }],
      ["POST /v1/notes", { status: 501, reason: "NOT_BY_REST" }, { body: {} }],
    ],
    async also() {
      const returned = signal();
      const { port, calls } = await serveLibrary({
        Watch: {
          ...WATCH,
          async *handler(_, ctx) {
            try {
              yield note("a");
              await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
            } finally {
              returned.fire();
            }
          },
        },
      });
      const req = http.get({ port, path: "/v1/notes:watch", ...LINES });
      req.on("error", () => {});
      const [res] = (await once(req, "response")) as [http.IncomingMessage];
      await once(res, "data");
      res.destroy();
      await returned.promise;
      expect(calls).toMatchObject([{ code: "canceled", reason: "CALL_CANCELED" }]);
    },
  },
});

/** A verb that takes nothing more stops its caller. */
async function uploadsWait(): Promise<void> {
  const begun = signal();
  const goOn = signal();
  const total = 64 * 2 ** 20;
  const { port, server } = await serveLibrary(
    {
      Upload: {
        ...UPLOAD,
        async handler(pieces: AsyncIterable<UploadedPiece>) {
          let bytes = 0;
          for await (const { file } of pieces) {
            if (bytes === 0) begun.fire();
            await goOn.promise;
            bytes += file.data.length;
          }
          return { bytes: String(bytes) };
        },
      },
    },
    { uploadBytes: total },
  );
  const connected = once(server, "connection") as Promise<[Socket]>;
  const sent = send(port, "POST /v1/files/f:upload", {});
  const [socket] = await connected;
  sent.req.end(Buffer.alloc(total));
  await begun.promise;
  await quiet(() => socket.bytesRead);
  expect(socket.bytesRead).toBeLessThan(2 ** 20);
  goOn.fire();
  expect((await sent.reply).json).toEqual({ bytes: String(total) });
}

/** A caller who reads nothing stops the verb. */
async function downloadsWait(): Promise<void> {
  const piece = Buffer.alloc(256 * 1024, "x");
  const total = 200;
  let given = 0;
  const { port } = await serveLibrary({
    Download: {
      ...DOWNLOAD,
      async *handler() {
        while (given < total) {
          given += 1;
          yield { contentType: given === 1 ? "image/png" : "", data: piece };
        }
      },
    },
  });
  const req = http.get({ port, path: "/v1/files/f" });
  atEnd(() => {
    req.destroy();
  });
  const [res] = (await once(req, "response")) as [http.IncomingMessage];
  await quiet(() => given);
  expect(given).toBeLessThan(total);
  expect(res.headers["content-type"]).toBe("image/png");
  expect(res.headers["x-content-type-options"]).toBe("nosniff");
  let bytes = 0;
  for await (const chunk of res) bytes += chunk.length;
  expect(bytes).toBe(total * piece.length);
  await exchange({ Download: { ...DOWNLOAD, async *handler() {} } }, {}, [
    [
      "GET /v1/files/f",
      {
        status: 200,
        text: "",
        headers: { "content-type": "application/octet-stream", "x-content-type-options": "nosniff" },
      },
    ],
    ["HEAD /v1/files/f", { status: 200, text: "", headers: { "x-content-type-options": "nosniff" }, verb: undefined }],
  ]);
}
