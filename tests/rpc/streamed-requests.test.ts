import { gzipSync } from "node:zlib";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import type { Call } from "../../server/rpc/call.js";
import { eventually, within } from "../domains/support.js";
import { connectOutcome, envelope } from "./doors.js";
import { MESSAGE_BYTES, openPorts, openRequest, streamDoor } from "./stream-house.js";
import { type Item, StreamService, streamHandlers } from "./stream-service.js";

const handlers = streamHandlers(({ text }) => {
  throw new Error(text);
});

const closes: (() => void)[] = [];
afterEach(() => {
  for (const close of closes.splice(0)) close();
});
async function house(more: Partial<typeof handlers> = {}, watch: { admitted?(call: Call): void } = {}) {
  const { door, lines } = streamDoor({ ...handlers, ...more }, watch);
  const ports = await openPorts(door);
  closes.push(ports.close);
  return { ...ports, lines };
}

const CONNECT = { "content-type": "application/connect+json" };
const GRPC = { "content-type": "application/grpc+json" };
const json = (item: Partial<Item>) => envelope(Buffer.from(JSON.stringify(item)));

describe.each([
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web", (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" })],
])("a client of %s", (_, transport) => {
  const items = async function* () {
    for (let number = 1; number <= 500; number++) yield { text: "x", number };
  };

  it("may send a stream of messages and is answered by one", async () => {
    const client = createClient(StreamService, transport((await house()).http2Url)) as unknown as typeof handlers;
    const all = await client.collect(items() as never);
    expect(all).toMatchObject({ text: "x".repeat(500), number: 125_250 });
  });

  it("may send nothing at all", async () => {
    const client = createClient(StreamService, transport((await house()).http2Url)) as unknown as typeof handlers;
    expect(await client.collect((async function* () {})())).toMatchObject({ text: "", number: 0 });
  });

  it("may wait for each answer before it sends the next message", async () => {
    const client = createClient(StreamService, transport((await house()).http2Url)) as unknown as typeof handlers;
    let answered = () => {};
    const pingPong = async function* () {
      for (let number = 1; number <= 20; number++) {
        const heard = new Promise<void>((resolve) => {
          answered = resolve;
        });
        yield { text: "ping", number };
        await heard;
      }
    };
    const numbers: number[] = [];
    for await (const { number } of client.echo(pingPong())) {
      numbers.push(number);
      answered();
    }
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it("is answered by a method that has heard enough, while it goes on sending", async () => {
    const { http2Url, lines } = await house();
    const client = createClient(StreamService, transport(http2Url)) as unknown as typeof handlers;
    const endless = async function* () {
      yield { text: "", number: 7 };
      for (;;) yield { text: "x".repeat(1000), number: -2 };
    };
    const numbers: number[] = [];
    for await (const { number } of client.echo(endless())) numbers.push(number);
    expect(numbers).toEqual([7]);
    expect(lines).toEqual([expect.objectContaining({ code: "ok" })]);
  });
});

describe("a streamed request", () => {
  it("is read no faster than the method takes it", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { session } = await house({
      async collect(items: AsyncIterable<Item>) {
        await released;
        return handlers.collect(items);
      },
    });
    const { stream, answered } = openRequest(session, "Collect", CONNECT);
    const item = json({ text: "x".repeat(50_000), number: 1 });
    for (let sent = 0; sent < 100; sent++) stream.write(item);
    stream.end();
    // 5 MB are on their way, and the method has not taken any.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(stream.writableLength).toBeGreaterThan(4_000_000);
    release();
    expect(String((await answered).body)).toContain('"number":100');
  });

  it("that its caller abandons ends for the method too, and is logged as canceled", async () => {
    let seen: unknown;
    const { session, lines } = await house({
      async *echo(items: AsyncIterable<Item>) {
        try {
          yield* handlers.echo(items);
        } catch (error) {
          seen = error;
          throw error;
        }
      },
    });
    const { stream, bytes } = openRequest(session, "Echo", CONNECT);
    stream.on("error", () => {});
    stream.write(json({ number: 1 }));
    await bytes(5);
    stream.close(8);
    await eventually(10_000, "the call is logged", async () => lines.length > 0 || undefined);
    expect(lines).toEqual([expect.objectContaining({ code: "canceled", reason: "CALL_CANCELED" })]);
    expect(seen).toMatchObject({ reason: "CALL_CANCELED" });
  });

  it("whose body breaks off over HTTP/1.1 ends for the method too", async () => {
    const { http1Url, lines } = await house();
    const hangUp = new AbortController();
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(json({ number: 1 }));
      },
    });
    const path = `${http1Url}/test.v1.StreamService/Collect`;
    const init = { method: "POST", headers: CONNECT, body, duplex: "half", signal: hangUp.signal };
    const asked = fetch(path, init as RequestInit).catch(() => "hung up");
    await new Promise((resolve) => setTimeout(resolve, 100));
    hangUp.abort();
    expect(await asked).toBe("hung up");
    await eventually(10_000, "the call is logged", async () => lines.length > 0 || undefined);
    expect(lines).toEqual([expect.objectContaining({ code: "canceled" })]);
  });

  it("ends with its deadline, however long the caller's next message takes", async () => {
    const { session } = await house();
    const { stream, answered } = openRequest(session, "Echo", { ...CONNECT, "connect-timeout-ms": "200" });
    stream.write(json({ number: 1 }));
    const { body } = await within(10_000, answered, "the call ends");
    expect(String(body)).toContain("DEADLINE_EXCEEDED");
    stream.close();
  });

  it("is answered with the cookies of the call, also when it is refused", async () => {
    const admitted = (call: Call) => void call.cookies.push("a=1", "b=2");
    const { session } = await house({}, { admitted });
    for (const [rpc, item] of [
      ["Collect", { number: 1 }],
      ["Echo", { number: 1 }],
      ["Echo", { number: -1 }],
    ] as const) {
      const { stream, answered } = openRequest(session, rpc, GRPC);
      stream.end(json(item));
      expect((await answered).head["set-cookie"]).toEqual(["a=1", "b=2"]);
    }
  });

  it("is proved with an empty body before any message is read", async () => {
    const proved: Buffer[] = [];
    const admitted = (call: Call) => {
      call.proof = (body) => void proved.push(body);
    };
    const { session } = await house({}, { admitted });
    const { stream, answered } = openRequest(session, "Collect", CONNECT);
    stream.end(json({ number: 1 }));
    expect(String((await answered).body)).toContain('"number":1');
    expect(proved).toEqual([Buffer.alloc(0)]);
  });

  it("is refused as a whole when the caller is", async () => {
    const admitted = (call: Call) => {
      call.proof = () => {
        throw new Error("no");
      };
    };
    const { session } = await house({}, { admitted });
    const { stream, answered } = openRequest(session, "Echo", CONNECT);
    stream.write(json({ number: 1 }));
    expect(String((await within(10_000, answered, "an answer")).body)).toContain('"internal"');
    stream.close();
  });
});

describe("a message of a streamed request", () => {
  const malformed = { code: "invalid_argument", reason: "MALFORMED_BODY" };
  const tooLarge = { code: "resource_exhausted", reason: "MESSAGE_TOO_LARGE" };
  const head = (flags: number, length: number) => {
    const bytes = Buffer.alloc(5, flags);
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };
  const good = json({ text: "good", number: 1 });
  const bad: [name: string, bytes: Buffer, expected: object, encoding?: string][] = [
    ["that is no JSON", envelope(Buffer.from("{")), malformed],
    ["with a field nobody knows", json({ nobody: 1 } as never), { code: "invalid_argument", reason: "UNKNOWN_FIELD" }],
    ["with text that is no UTF-8", envelope(Buffer.from([0x7b, 0xff])), { ...malformed, reason: "INVALID_UTF8" }],
    ["with an unknown flag", envelope(Buffer.from("{}"), 4), malformed],
    ["with the flag of an answer's end", envelope(Buffer.from("{}"), 2), malformed],
    ["that announces 4 GiB", head(0, 0xffffffff), tooLarge],
    ["that announces one byte too many", head(0, MESSAGE_BYTES + 1), tooLarge],
    [
      "that is compressed in an unknown way",
      envelope(Buffer.from("{}"), 1),
      { code: "unimplemented", reason: "UNSUPPORTED_ENCODING" },
      "zstd",
    ],
    ["that says it is compressed and not how", envelope(Buffer.from("{}"), 1), malformed],
    ["that is not what its compression says", envelope(Buffer.from("{}"), 1), malformed, "gzip"],
    [
      "that grows too large when it is opened",
      envelope(gzipSync(Buffer.alloc(MESSAGE_BYTES + 1, 0x20)), 1),
      tooLarge,
      "gzip",
    ],
  ];

  // The request stays open: a refusal does not wait for its end.
  it.each(bad)(
    "%s is refused by a Connect stream after those before it were answered",
    async (_, bytes, expected, encoding) => {
      const { session, lines } = await house();
      const headers = { ...CONNECT, ...(encoding && { "connect-content-encoding": encoding }) };
      const { stream, answered } = openRequest(session, "Echo", headers);
      stream.write(good);
      stream.write(bytes);
      const { body } = await within(10_000, answered, "an answer");
      const [first, last] = [body.subarray(5, 5 + body.readUInt32BE(1)), body.subarray(5 + body.readUInt32BE(1))];
      expect(JSON.parse(String(first))).toEqual({ text: "good", number: 1 });
      const { code, reason } = connectOutcome(400, JSON.stringify(JSON.parse(String(last.subarray(5))).error));
      expect({ code, reason }).toEqual(expected);
      expect(lines).toEqual([expect.objectContaining(expected)]);
      stream.close();
    },
  );

  it.each(bad)("%s is refused by gRPC", async (_, bytes, expected, encoding) => {
    const { session, lines } = await house();
    const headers = { ...GRPC, ...(encoding && { "grpc-encoding": encoding }) };
    const { stream, answered } = openRequest(session, "Collect", headers);
    stream.write(Buffer.concat([good, bytes]));
    const { head } = await within(10_000, answered, "an answer");
    expect(Number(head["grpc-status"])).toBeGreaterThan(0);
    expect(lines).toEqual([expect.objectContaining(expected)]);
    stream.close();
  });

  it.each([
    ["in its head", good.subarray(0, 3)],
    ["after its head", good.subarray(0, 5)],
    ["in its middle", good.subarray(0, -1)],
  ])("that breaks off %s is refused", async (_, bytes) => {
    const { session, lines } = await house();
    const { stream, answered } = openRequest(session, "Collect", CONNECT);
    stream.end(Buffer.concat([good, bytes]));
    await answered;
    expect(lines).toEqual([expect.objectContaining(malformed)]);
  });

  it("may come byte by byte", async () => {
    const { session } = await house();
    const { stream, answered } = openRequest(session, "Collect", CONNECT);
    for (const byte of Buffer.concat([good, good])) stream.write(Buffer.from([byte]));
    stream.end();
    expect(String((await answered).body)).toContain('{"text":"goodgood","number":2}');
  });

  it("may be as large as any message, and come in thousands of pieces", async () => {
    const { session } = await house();
    const { stream, answered } = openRequest(session, "Collect", CONNECT);
    const bytes = json({ text: "x".repeat(MESSAGE_BYTES - 11) });
    expect(bytes).toHaveLength(5 + MESSAGE_BYTES);
    for (let at = 0; at < bytes.length; at += 20) stream.write(bytes.subarray(at, at + 20));
    stream.end();
    expect(String((await answered).body)).toContain("x".repeat(MESSAGE_BYTES - 11));
  });
});
