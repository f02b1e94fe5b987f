import { once } from "node:events";
import http, { type RequestListener } from "node:http";
import { brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { create, type JsonObject, toBinary, toJsonString } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DomainError } from "../../server/kernel/errors.js";
import { toConnectError } from "../../server/rpc/wire-errors.js";
import { fc } from "../support/properties.js";
import { envelope } from "./doors.js";
import { openPorts, openRequest, streamDoor } from "./stream-house.js";
import { type Item, ItemSchema, StreamService, streamHandlers } from "./stream-service.js";

// The same handlers behind our framed door and behind connect-node alone, asked the same bytes.

const failure = (item: Item) =>
  new DomainError("MESSAGE_NOT_FOUND", `because ${item.text}`, { field: "text", retryAfterMs: 1500 });
const ours = streamHandlers((item) => {
  throw failure(item);
});
const theirs = streamHandlers((item) => {
  throw toConnectError(failure(item));
});

const doors: Record<string, RequestListener> = {
  ours: streamDoor(ours).door,
  theirs: connectNodeAdapter({ routes: (router) => void router.service(StreamService, theirs as never) }) as never,
};

const open: Record<string, Awaited<ReturnType<typeof openPorts>>> = {};
beforeAll(async () => {
  for (const [name, door] of Object.entries(doors)) open[name] = await openPorts(door);
});
afterAll(() => {
  for (const { close } of Object.values(open)) close();
});

/** What a client can tell apart: heads, bytes and trailers, but for the day and what only we send. */
async function ask(door: string, rpc: string, headers: Record<string, string>, pieces: readonly Buffer[]) {
  const { stream, answered } = openRequest(open[door]!.session, rpc, headers);
  for (const piece of pieces) stream.write(piece);
  stream.end();
  const { head, body } = await answered;
  const { date: _, "x-request-id": __, "cache-control": ___, ...rest } = head;
  return { ...rest, body };
}

const item = fc.record({
  text: fc.string({ maxLength: 2000, unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
  // At -1 the handlers fail, at -2 they end before the request does.
  number: fc.oneof({ weight: 12, arbitrary: fc.nat(1 << 20) }, fc.constant(-1), fc.constant(-2)),
});
const request = fc.record({
  items: fc.array(item, { maxLength: 8 }),
  compressed: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  cuts: fc.array(fc.nat(5_000), { maxLength: 12 }),
});

const KINDS = [
  ["gRPC", "application/grpc", "grpc-encoding", "grpc-accept-encoding"],
  ["gRPC in JSON", "application/grpc+json", "grpc-encoding", "grpc-accept-encoding"],
  ["gRPC-Web", "application/grpc-web+proto", "grpc-encoding", "grpc-accept-encoding"],
  ["Connect", "application/connect+proto", "connect-content-encoding", "connect-accept-encoding"],
  ["Connect in JSON", "application/connect+json", "connect-content-encoding", "connect-accept-encoding"],
] as const;

/** The body of a request, cut where nothing ends. */
function piecesOf(type: string, items: readonly Item[], compressed: readonly boolean[], cuts: readonly number[]) {
  const body = Buffer.concat(
    items.map((fields, index) => {
      const message = create(ItemSchema, fields as never);
      const bytes = Buffer.from(
        type.endsWith("json") ? toJsonString(ItemSchema, message) : toBinary(ItemSchema, message),
      );
      return compressed[index] && bytes.length > 0 ? envelope(gzipSync(bytes), 1) : envelope(bytes);
    }),
  );
  const places = [...cuts, body.length].filter((at) => at <= body.length).sort((a, b) => a - b);
  return places.map((at, index) => body.subarray(places[index - 1] ?? 0, at));
}

describe.each(KINDS)("by %s", (_, type, encoding, accepted) => {
  it.each(["Collect", "Echo"])("%s answers a streamed request as connect-node does, byte for byte", async (rpc) => {
    await fc.assert(
      fc.asyncProperty(request, async ({ items, compressed, cuts }) => {
        const headers = {
          "content-type": type,
          "connect-protocol-version": "1",
          [encoding]: "gzip",
          [accepted]: "gzip",
        };
        const pieces = piecesOf(type, items, compressed, cuts);
        const [one, other] = await Promise.all(["ours", "theirs"].map((door) => ask(door, rpc, headers, pieces)));
        expect(legible(one!)).toEqual(legible(other!));
      }),
      { numRuns: 60 },
    );
  });
});

/** JSON, and errors, may be written in more than one way; an error that is told at more length may be compressed sooner. */
function legible({ body, ...head }: { body: Buffer } & Record<string, unknown>) {
  const unpack = Object.values(head).includes("br") ? brotliDecompressSync : gunzipSync;
  const frames: unknown[] = [];
  for (let at = 0; at + 5 <= body.length; at += 5 + body.readUInt32BE(at + 1)) {
    const flags = body[at]!;
    const packed = body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1));
    const bytes = (flags & 1) === 1 ? unpack(packed) : packed;
    const isEnd = (flags & 2) === 2;
    const content = bytes[0] === 0x7b ? withoutDebug(JSON.parse(String(bytes))) : bytes;
    frames.push(isEnd ? { content } : { flags, length: packed.length, content });
  }
  return { ...head, frames };
}

/** `debug` repeats `value` for people; the protocol leaves it to the server. */
function withoutDebug(json: { error?: { details?: JsonObject[] } }) {
  const details = json.error?.details?.map(({ debug: _, ...detail }) => detail);
  return details === undefined ? json : { ...json, error: { ...json.error, details } };
}

const asked = fc.record({
  text: fc.string({ maxLength: 3000, unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
  number: fc.integer({ min: -2, max: 6 }),
});
const accepting = fc.constantFrom(undefined, "", "identity", "gzip", "br, gzip", "zstd,gzip", "zstd");

describe.each(KINDS)("one request, by %s", (_, type, __, accepted) => {
  const bodyOf = (fields: Item) => piecesOf(type, [fields], [false], [])[0]!;
  const headersOf = (accepts: string | undefined) => ({
    "content-type": type,
    ...(accepts !== undefined && { [accepted]: accepts }),
  });

  it("is answered by a stream as by connect-node, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(asked, accepting, async (fields, accepts) => {
        const [one, other] = await Promise.all(
          ["ours", "theirs"].map((door) => ask(door, "Repeat", headersOf(accepts), [bodyOf(fields as Item)])),
        );
        expect(legible(one!)).toEqual(legible(other!));
      }),
      { numRuns: 100 },
    );
  });

  it("is answered by a stream as by connect-node over HTTP/1.1 too, trailers and all", async () => {
    for (const number of [0, 1, 2, 5]) {
      const [one, other] = await Promise.all(
        ["ours", "theirs"].map((door) =>
          postHttp1(open[door]!.http1Url, headersOf("gzip"), bodyOf({ text: "é".repeat(700), number } as Item)),
        ),
      );
      expect(legible(one!)).toEqual(legible(other!));
    }
  });
});

/** An answer over HTTP/1.1, with what stands before its body and after. */
async function postHttp1(url: string, headers: Record<string, string>, body: Buffer) {
  const request = http.request(`${url}/test.v1.StreamService/Repeat`, { method: "POST", headers });
  request.end(body);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  const { date: _, "x-request-id": __, "cache-control": ___, ...head } = response.headers;
  return { ...head, status: response.statusCode, trailers: response.trailers, body: Buffer.concat(pieces) };
}

describe("over HTTP/1.1", () => {
  const post = async (door: string, rpc: string) => {
    const response = await fetch(`${open[door]!.http1Url}/test.v1.StreamService/${rpc}`, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
      body: Buffer.concat([envelope(Buffer.from('{"number":3}')), envelope(Buffer.from('{"number":4}'))]),
    });
    const text = Buffer.from(await response.arrayBuffer()).toString("latin1");
    return { status: response.status, type: response.headers.get("content-type"), text };
  };

  it("a streamed request is answered as by connect-node", async () => {
    const answer = await post("ours", "Collect");
    expect(answer).toEqual(await post("theirs", "Collect"));
    expect(answer.text).toContain('{"number":7}');
  });

  it("a method that streams both ways is refused with 505, as by connect-node, but with a reason", async () => {
    expect((await post("theirs", "Echo")).status).toBe(505);
    const { status, text } = await post("ours", "Echo");
    expect(status).toBe(505);
    expect(text).toContain("HTTP2_REQUIRED");
  });
});
