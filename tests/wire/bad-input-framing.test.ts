import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MessageService } from "#gen/backstay/messages/v1/messages_pb.js";
import {
  attempt,
  callGrpc,
  callGrpcWeb,
  connectOutcome,
  envelope,
  type Outcome,
  pathOf,
  restOutcome,
} from "../rpc/doors.js";
import { type Expected, invalid, TOO_LARGE, type Watch, watch } from "../rpc/must-refuse.js";
import { type Person, startBackstay, type TestBackstay } from "../support/backstay.js";

const { sendMessage } = MessageService.method;

let backstay: TestBackstay;
let watched: Watch;
let ada: Person;
let ben: Person;
beforeAll(async () => {
  backstay = await startBackstay();
  watched = watch(backstay);
  ada = await backstay.signUp();
  ben = await backstay.signUp();
});
afterAll(async () => {
  await watched.end();
  await backstay.stop();
});

describe("the content type", () => {
  const wrong = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/grpc+xml",
    "",
  ];
  const post = async (path: string, type: string) => {
    const response = await fetch(backstay.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${ada.token}`, ...(type && { "content-type": type }) },
      body: Buffer.from(JSON.stringify({ recipientId: ben.id, text: "x" })),
    });
    return { status: response.status, text: await response.text() };
  };

  it.each(wrong)("%j is refused with 415 by Connect", async (type) => {
    const made = () => post(pathOf(sendMessage), type).then(({ status, text }) => connectOutcome(status, text));
    const outcome = await watched.mustRefuse(made, invalid("UNSUPPORTED_MEDIA_TYPE"));
    expect(outcome.http).toBe(415);
  });

  it.each([
    "application/json; charset=latin1",
    "application/json; x=y",
    'application/json; charset="utf-8',
    "application/json;",
    "application/proto; charset=utf-8",
    "application/grpc; x=y",
    "application/grpc-web; x=y",
    "application/grpc-web+proto; charset=utf-8",
  ])("%j, with a parameter nobody understands, is refused with 415 before the caller is looked at", async (type) => {
    const headers = { "content-type": type, authorization: "Bearer nobody" };
    const made = async () => {
      const response = await fetch(backstay.url + pathOf(sendMessage), { method: "POST", headers, body: "{}" });
      return connectOutcome(response.status, await response.text());
    };
    const outcome = await watched.mustRefuse(made, invalid("UNSUPPORTED_MEDIA_TYPE"));
    expect(outcome.http).toBe(415);
  });

  it.each([
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON; Charset=utf8",
    'application/json ; charset="utf-8"',
    "APPLICATION/JSON",
  ])("%j is JSON by Connect and by REST", async (type) => {
    const byConnect = await post(pathOf(sendMessage), type);
    const byRest = await post("/v1/messages", type);
    expect([byConnect.status, byRest.status]).toEqual([200, 200]);
  });

  it.each(wrong)("%j is refused with 415 by REST", async (type) => {
    const made = () => post("/v1/messages", type).then(({ status, text }) => restOutcome(status, text));
    const outcome = await watched.mustRefuse(made, invalid("UNSUPPORTED_MEDIA_TYPE"));
    expect(outcome.http).toBe(415);
  });
});

describe("the name of an encoding", () => {
  const gzipped = (bytes: Uint8Array) => gzipSync(bytes);
  const message = () => attempt(sendMessage, { recipientId: ben.id, text: "x" }).binary!;

  it.each(["gzip", "GZIP", "GZip"])("may be %j by Connect", async (encoding) => {
    const response = await fetch(backstay.url + pathOf(sendMessage), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-encoding": encoding,
        authorization: `Bearer ${ada.token}`,
      },
      body: new Uint8Array(gzipped(Buffer.from(JSON.stringify({ recipientId: ben.id, text: "x" })))),
    });
    expect(response.status).toBe(200);
  });

  it.each(["gzip", "GZIP"])("may be %j by gRPC", async (encoding) => {
    const headers = { te: "trailers", "content-type": "application/grpc", "grpc-encoding": encoding };
    const authorized = { ...headers, authorization: `Bearer ${ada.token}` };
    const body = envelope(gzipped(message()), 1);
    expect(await callGrpc(backstay.url, pathOf(sendMessage), authorized, [body])).toMatchObject({
      code: "",
      http: 200,
    });
  });
});

describe("the path", () => {
  const unknown = { code: "unimplemented", reason: "UNKNOWN_METHOD", fields: [] };
  const paths = ["/backstay.messages.v1.MessageService/SendMessages", "/backstay.chess.v1.ChessService/Move"];

  it.each(paths)("%s is no method by Connect", async (path) => {
    const made = async () => {
      const headers = { "content-type": "application/json" };
      const response = await fetch(backstay.url + path, { method: "POST", headers, body: "{}" });
      return connectOutcome(response.status, await response.text());
    };
    expect((await watched.mustRefuse(made, unknown)).http).toBe(501);
  });

  it.each(paths)("%s is no method by gRPC and gRPC-Web", async (path) => {
    const body = envelope(Buffer.alloc(0));
    const grpc = { "content-type": "application/grpc", te: "trailers" };
    await watched.mustRefuse(() => callGrpc(backstay.url, path, grpc, [body]), unknown);
    const web = { "content-type": "application/grpc-web+proto" };
    await watched.mustRefuse(() => callGrpcWeb(backstay.url, path, web, body), unknown);
  });

  it.each([
    ["GET", "/v1/nothing"],
    ["POST", "/v2/messages"],
    ["GET", "/v1"],
    ["GET", "/v1/messages/"],
    ["GET", "/etc/passwd"],
    ["GET", "/%2e%2e/%2e%2e/etc/passwd"],
    ["GET", "/v1//messages"],
  ])("%s %s leads nowhere: 404", async (method, path) => {
    const made = async () => {
      const response = await fetch(backstay.url + path, { method });
      return restOutcome(response.status, await response.text());
    };
    expect((await watched.mustRefuse(made, { code: "not_found", reason: "UNKNOWN_PATH", fields: [] })).http).toBe(404);
  });

  it.each(["GET", "PUT", "DELETE"])("of a method that changes something is not taken by %s: 405", async (method) => {
    const made = async () => {
      const query = "?connect=v1&encoding=json&message=%7B%7D";
      const headers = { authorization: `Bearer ${ada.token}` };
      const response = await fetch(backstay.url + pathOf(sendMessage) + query, { method, headers });
      expect(response.headers.get("allow")).toBe("POST");
      return connectOutcome(response.status, await response.text());
    };
    const refused = { code: "unimplemented", reason: "METHOD_NOT_ALLOWED", fields: [] };
    expect((await watched.mustRefuse(made, refused)).http).toBe(405);
  });

  it("of REST names the methods it takes: 405", async () => {
    const made = async () => {
      const response = await fetch(`${backstay.url}/v1/messages`, { method: "PUT" });
      expect(response.headers.get("allow")).toBe("DELETE, GET, HEAD, POST");
      return restOutcome(response.status, await response.text());
    };
    const refused = { code: "unimplemented", reason: "METHOD_NOT_ALLOWED", fields: [] };
    expect((await watched.mustRefuse(made, refused)).http).toBe(405);
  });
});

describe("an envelope", () => {
  const message = () => attempt(sendMessage, { recipientId: ben.id, text: "x" }).binary!;
  const malformed = { code: "invalid_argument", reason: "MALFORMED_BODY", fields: [] };
  const bodies: [name: string, body: () => Buffer, expected: Expected][] = [
    ["that breaks off in its message", () => envelope(message()).subarray(0, -3), malformed],
    ["that breaks off in its head", () => envelope(message()).subarray(0, 3), malformed],
    ["that is not there", () => Buffer.alloc(0), malformed],
    ["with an unknown flag", () => envelope(message(), 4), malformed],
    ["with all flags", () => envelope(message(), 255), malformed],
    ["followed by another", () => Buffer.concat([envelope(message()), envelope(message())]), malformed],
    ["that announces 4 GiB", () => Buffer.from([0, 255, 255, 255, 255]), TOO_LARGE],
    ["that announces one byte too many", () => Buffer.from([0, 0, 16, 0, 1]), TOO_LARGE],
  ];

  it.each(bodies)("%s is refused by gRPC", async (_, body, expected) => {
    const headers = { "content-type": "application/grpc", te: "trailers", authorization: `Bearer ${ada.token}` };
    await watched.mustRefuse(() => callGrpc(backstay.url, pathOf(sendMessage), headers, [body()]), expected);
  });

  it.each(bodies)("%s is refused by gRPC-Web", async (_, body, expected) => {
    const headers = { "content-type": "application/grpc-web+proto", authorization: `Bearer ${ada.token}` };
    await watched.mustRefuse(() => callGrpcWeb(backstay.url, pathOf(sendMessage), headers, body()), expected);
  });

  it.each(bodies)("%s is refused by a Connect stream", async (_, body, expected) => {
    const made = async (): Promise<Outcome> => {
      const response = await fetch(`${backstay.url}/backstay.events.v1.EventService/Subscribe`, {
        method: "POST",
        headers: { "content-type": "application/connect+proto", authorization: `Bearer ${ada.token}` },
        body: Buffer.from(body()),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(bytes[0]).toBe(2);
      return connectOutcome(400, JSON.stringify(JSON.parse(bytes.toString("utf8", 5)).error));
    };
    await watched.mustRefuse(made, expected);
  });

  it("that announces 4 GiB is refused while the rest is still to come", async () => {
    const headers = { "content-type": "application/grpc", te: "trailers", authorization: `Bearer ${ada.token}` };
    const pieces = [Buffer.from([0, 255, 255, 255, 255])];
    await watched.mustRefuse(() => callGrpc(backstay.url, pathOf(sendMessage), headers, pieces, true), TOO_LARGE);
  });

  it("whose announcement comes byte by byte is refused as soon as it is whole", async () => {
    const headers = { "content-type": "application/grpc", te: "trailers", authorization: `Bearer ${ada.token}` };
    const pieces = [0, 255, 255, 255, 255].map((byte) => Buffer.from([byte]));
    await watched.mustRefuse(() => callGrpc(backstay.url, pathOf(sendMessage), headers, pieces, true), TOO_LARGE);
  });
});

it("the log of all this has no stack: none of it was a surprise", () => {
  expect(backstay.log()).not.toMatch(/"level":50|"code":"internal"/);
});
