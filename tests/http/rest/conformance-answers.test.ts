import { gunzipSync, gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { DomainError, type Reason } from "../../../server/kernel/errors.js";
import type { Method } from "../../../server/rpc/methods.js";
import { conformance, type Exchange, exchange, rpc } from "./conformance.js";
import { serveEveryDoor, serveLibrary } from "./library-server.js";

const GET = rpc("get /v1/books/{name}", "Book");
const CREATE = rpc("post /v1/books", "Book", { body: "*" });

/** A reason of each code, with the HTTP status and number that code has. */
const CODES: [Reason, http: number, code: number][] = [
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

/** Fails with the reason it is asked for. */
const failing = rpc("get /v1/books/{name}", "Book", {
  handler: ({ name }) => {
    throw new DomainError(name as Reason, "No.");
  },
});

const info = (reason: string) => ({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "backstay" });
const bytes = (text: string) => Buffer.from(text);
const body = (contentType: string, data: Uint8Array) => ({ contentType, data });

conformance({
  39: {
    shows: "an error of a verb is a google.rpc.Status in JSON with the HTTP status of its code",
    rpcs: { Get: failing },
    exchanges: [
      [
        "GET /v1/books/NOT_YOUR_ACCOUNT",
        {
          status: 403,
          headers: { "content-type": "application/json" },
          json: { code: 7, message: "No.", details: [info("NOT_YOUR_ACCOUNT")] },
          verb: "Get",
        },
      ],
    ],
  },
  40: {
    shows: "each code has its HTTP status; 401 names the scheme, 11, 15 and 2 are none that we give",
    rpcs: { Get: failing },
    exchanges: CODES.map(
      ([reason, status, code]): Exchange => [
        `GET /v1/books/${reason}`,
        {
          status,
          reason,
          verb: "Get",
          json: { code, message: "No.", details: [info(reason)] },
          headers: { "www-authenticate": status === 401 ? "Bearer" : undefined },
        },
      ],
    ),
  },
  41: {
    shows: "details are Any in JSON; one of a foreign type makes an error of ours, not a crash",
    rpcs: {
      Invalid: rpc("get /v1/invalid", "Book", {
        handler: () => {
          throw new DomainError("INVALID_FIELD", "Bad.", { field: "a.b", metadata: { k: "v" }, retryAfterMs: 1200 });
        },
      }),
      Foreign: rpc("get /v1/foreign", "Book", {
        handler: () => {
          const outgoing = [{ desc: ErrorInfoSchema, value: { reason: "X" } }];
          const error = new ConnectError("no", Code.NotFound, undefined, outgoing);
          error.details.push({ type: "foreign.v1.Unknown", value: bytes("?") });
          throw error;
        },
      }),
      Answer: rpc("get /v1/answer", "Shelf", {
        handler: () => ({ any: create(AnySchema, { typeUrl: "type.googleapis.com/foreign.v1.Unknown" }) }),
      }),
      Create: rpc("post /v1/shelves", "Shelf", { body: "*" }),
    },
    exchanges: [
      [
        "GET /v1/invalid",
        {
          status: 400,
          verb: "Invalid",
          headers: { "retry-after": "2" },
          json: {
            code: 3,
            message: "Bad.",
            details: [
              { ...info("INVALID_FIELD"), metadata: { k: "v" } },
              {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                fieldViolations: [{ field: "a.b", description: "Bad." }],
              },
              { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.200s" },
            ],
          },
        },
      ],
      ["GET /v1/foreign", { status: 500, reason: "INTERNAL", verb: "Foreign" }],
      ["GET /v1/answer", { status: 500, reason: "INTERNAL", verb: "Answer" }],
      [
        "POST /v1/shelves",
        { status: 400, reason: "WRONG_TYPE", field: "any" },
        { body: { any: { "@type": "type.googleapis.com/foreign.v1.Unknown" } } },
      ],
      ["GET /v1/foreign", { status: 500, reason: "INTERNAL", verb: "Foreign" }],
    ],
  },
  42: {
    shows: "HttpBody: its bytes as they are, with its type, out and in",
    rpcs: {
      Page: rpc("get /v1/page/{filename}", "Upload", {
        output: ".google.api.HttpBody",
        handler: ({ filename }) => body(filename === "raw" ? "" : "text/html; charset=x", Buffer.of(0, 255, 60)),
      }),
      Field: rpc("get /v1/files/{filename}", "Upload", {
        output: "Stored",
        responseBody: "file",
        handler: ({ filename }) => (filename === "none" ? {} : { file: body("image/png", bytes("PNG")) }),
      }),
      Split: rpc("get /v1/split", "Upload", {
        output: ".google.api.HttpBody",
        handler: () => body("text/plain\r\nset-cookie: a=b", bytes("x")),
      }),
      Store: rpc("put /v1/files/{filename}", "Upload", { body: "file" }),
      Change: rpc("patch /v1/files", "UpdateFile", { body: "file" }),
      Echo: rpc("post /v1/echo", ".google.api.HttpBody", { body: "*" }),
    },
    exchanges: [
      [
        "GET /v1/page/x",
        {
          bytes: Buffer.of(0, 255, 60),
          headers: {
            "content-type": "text/html; charset=x",
            "content-length": "3",
            "x-content-type-options": "nosniff",
          },
          verb: "Page",
        },
      ],
      ["GET /v1/page/raw", { status: 200, headers: { "content-type": "application/octet-stream" } }],
      ["GET /v1/files/f", { text: "PNG", headers: { "content-type": "image/png" } }],
      ["GET /v1/files/none", { status: 200, text: "", headers: { "content-type": "application/octet-stream" } }],
      ["GET /v1/split", { status: 500, reason: "INTERNAL", headers: { "set-cookie": undefined }, verb: "Split" }],
      [
        "PUT /v1/files/f?folder=d",
        { json: { filename: "f", folder: "d", file: { contentType: "image/png", data: "/w==" } } },
        { body: Buffer.of(255), headers: { "content-type": "image/png" } },
      ],
      [
        "PUT /v1/files/f",
        { json: { filename: "f", file: { contentType: "application/json", data: "bnVsbA==" } } },
        { body: "null" },
      ],
      [
        "PUT /v1/files/f",
        { json: { filename: "f", file: { contentType: "a/b", data: "enp6" } } },
        { body: gzipSync("zzz"), headers: { "content-type": "a/b", "content-encoding": "gzip" } },
      ],
      ["PUT /v1/files/f", { json: { filename: "f", file: {} } }],
      ...["PNG", '{"data":1}'].map(
        (text): Exchange => [
          "PATCH /v1/files",
          { json: { file: { contentType: "image/png", data: bytes(text).toString("base64") } }, verb: "Change" },
          { body: text, headers: { "content-type": "image/png" } },
        ],
      ),
      ["PUT /v1/files/f?file.content_type=x", { status: 400, reason: "UNKNOWN_FIELD" }],
      [
        "POST /v1/echo",
        { text: "\u0000x", headers: { "content-type": "a/b" }, verb: "Echo" },
        { body: "\u0000x", headers: { "content-type": "a/b" } },
      ],
      ["PUT /v1/files/f", { status: 413, reason: "MESSAGE_TOO_LARGE" }, { body: Buffer.alloc(5000) }],
    ],
  },
  46: {
    shows: "JSON with a charset of UTF-8 is read, text/plain is 415; gzip both ways, by weight",
    rpcs: {
      Create: CREATE,
      Long: rpc("get /v1/long/{pages}", "Book", { handler: ({ pages }) => ({ title: "x".repeat(pages) }) }),
    },
    exchanges: [
      ...["application/json; charset=utf-8", "application/json; charset=utf8", 'Application/JSON;charset="UTF-8"'].map(
        (type): Exchange => [
          "POST /v1/books",
          { json: { title: "é" } },
          { body: { title: "é" }, headers: { "content-type": type } },
        ],
      ),
      ...[
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "application/json; charset=latin1",
        "application/jsonp",
      ].map(
        (type): Exchange => [
          "POST /v1/books",
          { status: 415, reason: "UNSUPPORTED_MEDIA_TYPE" },
          { body: "{}", headers: { "content-type": type } },
        ],
      ),
      [
        "POST /v1/books",
        { json: { title: "T" } },
        { body: gzipSync('{"title":"T"}'), headers: { "content-encoding": "gzip" } },
      ],
      [
        "POST /v1/books",
        { status: 501, reason: "UNSUPPORTED_ENCODING" },
        { body: "{}", headers: { "content-encoding": "zstd" } },
      ],
      ...(
        [
          [2000, "br, gzip", "gzip"],
          [2000, "*", "gzip"],
          [2000, "gzip;q=0", undefined],
          [2000, "gzip;q=0.2, identity;q=0.9", undefined],
          [2000, "br", undefined],
          [10, "gzip", undefined],
        ] as const
      ).map(
        ([size, accept, encoding]): Exchange => [
          `GET /v1/long/${size}`,
          {
            status: 200,
            headers: { "content-encoding": encoding, vary: size > 1024 ? "accept-encoding" : undefined },
          },
          { headers: { "accept-encoding": accept } },
        ],
      ),
    ],
    async also() {
      const { call } = await serveLibrary({
        Long: rpc("get /v1/long", "Book", { handler: () => ({ title: "x".repeat(2000) }) }),
      });
      const reply = await call("GET /v1/long", { headers: { "accept-encoding": "gzip" } });
      expect(reply.headers["content-length"]).toBe(String(reply.bytes.length));
      expect(JSON.parse(gunzipSync(reply.bytes).toString())).toEqual({ title: "x".repeat(2000) });
    },
  },
  47: {
    shows: "64-bit numbers leave as text, enums as names, bytes as base64, defaults when told so; unknown keys are 400",
    rpcs: { Write: rpc("post /v1/probes", "Probe", { body: "*" }), Create: CREATE },
    exchanges: [
      [
        "POST /v1/probes",
        { json: { large: "9007199254740993", state: "GONE", rawData: "+/8=" } },
        { body: { large: "9007199254740993", state: 2, rawData: "-_8", small: 0, flag: false } },
      ],
      ["POST /v1/books", { status: 400, reason: "UNKNOWN_FIELD", field: "isbn" }, { body: { isbn: 1 } }],
    ],
    async also() {
      await exchange({ Create: CREATE }, { ignoreUnknownFields: true }, [
        ["POST /v1/books", { json: { title: "T" } }, { body: { isbn: 1, title: "T" } }],
      ]);
      await exchange({ Create: CREATE }, { emitDefaults: true }, [
        ["POST /v1/books", { json: { name: "", title: "T", shelfMark: "", pages: 0 } }, { body: { title: "T" } }],
      ]);
    },
  },
  48: {
    shows: "HEAD, OPTIONS and a preflight are answered in headers without the verb; a slash at the end is 404",
    rpcs: {
      Get: GET,
      Create: CREATE,
      Watch: rpc("get /v1/notes:watch", "WatchNotes", { output: "NoteOrBye", stream: true }),
      Page: rpc("get /v1/page", "Upload", { output: ".google.api.HttpBody" }),
    },
    exchanges: [
      ["HEAD /v1/books/b", { status: 200, text: "", headers: { "content-type": "application/json" }, verb: undefined }],
      [
        "HEAD /v1/notes:watch",
        { status: 200, text: "", headers: { "content-type": "text/event-stream" }, verb: undefined },
        { headers: { accept: "text/event-stream" } },
      ],
      ["HEAD /v1/page", { status: 200, text: "", headers: { "content-type": undefined }, verb: undefined }],
      ["HEAD /v1/books/b?nope=1", { status: 400, text: "" }],
      ["HEAD /v1/books/a%00", { status: 400, text: "" }],
      ["HEAD /v1/nothing", { status: 404, text: "" }],
      ["HEAD /v1/books", { status: 405, text: "", headers: { allow: "POST" } }],
      ["OPTIONS /v1/books/b", { status: 204, text: "", headers: { allow: "GET, HEAD" }, verb: undefined }],
      ["OPTIONS /v1/books", { status: 204, text: "", headers: { allow: "POST" }, verb: undefined }],
      ["OPTIONS /v1/nothing", { status: 404 }],
      ["GET /v1/books/b/", { status: 404, reason: "UNKNOWN_PATH" }],
      ["POST /v1/books/", { status: 404, reason: "UNKNOWN_PATH" }, { body: {} }],
    ],
    async also() {
      const { call } = await serveEveryDoor({ Create: CREATE }, { origins: "https://app.example" });
      const preflight = (origin: string) =>
        call("OPTIONS /v1/books", { headers: { origin, "access-control-request-method": "POST" } });
      const allowed = await preflight("https://app.example");
      expect(allowed).toMatchObject({ status: 204, text: "" });
      expect(allowed.headers["access-control-allow-origin"]).toBe("https://app.example");
      expect((await preflight("https://other.example")).headers).not.toHaveProperty("access-control-allow-origin");
    },
  },
  52: {
    shows: "every door of an RPC reaches the same method and the same verb",
    async also() {
      const methods: Method[] = [];
      const rule = rpc("get /v1/books/{name}", "Book", { also: ["post /v1/books/{name}:get"] });
      const { call, port } = await serveEveryDoor({ Get: rule }, { onCall: ({ method }) => methods.push(method) });
      const path = "/library.v1.LibraryService/Get";
      const json = { name: "b" };
      expect((await call("GET /v1/books/b")).json).toEqual(json);
      expect((await call("POST /v1/books/b:get")).json).toEqual(json);
      expect((await call(`POST ${path}`, { body: json })).json).toEqual(json);
      const binary = Buffer.of(10, 1, 98);
      const proto = { body: binary, headers: { "content-type": "application/proto" } };
      expect((await call(`POST ${path}`, proto)).bytes).toEqual(binary);
      const grpcWeb = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        headers: { "content-type": "application/grpc-web+proto" },
        body: Buffer.concat([Buffer.of(0, 0, 0, 0, 3), binary]),
      });
      const answer = Buffer.from(await grpcWeb.arrayBuffer());
      expect(answer.subarray(0, 8)).toEqual(Buffer.concat([Buffer.of(0, 0, 0, 0, 3), binary]));
      expect(methods).toHaveLength(5);
      expect(new Set(methods).size).toBe(1);
      expect(methods[0]?.descriptor.name).toBe("Get");
    },
  },
});
