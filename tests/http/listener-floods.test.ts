import http2 from "node:http2";
import { describe, expect, it } from "vitest";
import { addressKey } from "../../server/kernel/address.js";
import {
  echo,
  FRAME,
  frame,
  getFrame,
  goawayCode,
  h2Client,
  open,
  PREFACE,
  rawClient,
  request,
  resetFrame,
  signal,
  streamEnd,
} from "./listener-harness.js";

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = http2.constants;

describe("connections above a cap", () => {
  it.each([
    ["maxConnections", "refusedTotal"],
    ["maxConnectionsPerAddress", "refusedAddress"],
  ] as const)("%s are closed at once, and a place is free again when another leaves", async (limit, counter) => {
    const { port, listener } = await open(echo, { limits: { [limit]: 2 } });
    const first = rawClient(port);
    const second = rawClient(port);
    for (const client of [first, second]) {
      client.socket.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.received("GET /x 1.1");
    }
    expect(await rawClient(port).closed).toBe("");
    expect(listener.counters()[counter]).toBe(1);
    expect(listener.connections()).toBe(2);
    first.socket.end();
    await first.closed;
    second.socket.write("GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    await second.received("GET /y 1.1");
    expect((await request(port)).status).toBe(200);
  });

  it("are counted by IPv4 address and by IPv6 /64", () => {
    expect(addressKey("192.0.2.1")).toBe("192.0.2.1");
    expect(addressKey("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(addressKey("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
    expect(addressKey("2001:db8::1")).toBe("2001:db8:0:0::/64");
    expect(addressKey("2001:db8:0:0:ffff::")).toBe("2001:db8:0:0::/64");
    expect(addressKey("::1")).toBe("0:0:0:0::/64");
    expect(addressKey("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
  });
});

describe("streams above a cap", () => {
  it("are refused, while those below it are answered", async () => {
    const release = signal();
    let started = 0;
    const { port } = await open(
      (_req, res) => {
        started++;
        release.promise.then(() => res.end("ok"));
      },
      { limits: { maxStreamsPerConnection: 5 } },
    );
    // The limit a client has not heard of yet is the one it can break.
    const client = rawClient(port);
    const gets = Array.from({ length: 20 }, (_, i) => getFrame(2 * i + 1));
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), ...gets]));
    await client.received(resetText(39));
    expect(started).toBe(5);
    release.fire();
    await client.received("ok");
  });

  it("10,000 at once on one connection start no more handlers than the cap", async () => {
    let started = 0;
    const { port } = await open(() => void started++);
    const client = rawClient(port);
    const gets = Array.from({ length: 10_000 }, (_, i) => getFrame(2 * i + 1));
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), ...gets]));
    await client.received(resetText(401));
    expect(started).toBeLessThanOrEqual(200);
    expect((await request(port, { method: "TRACE" })).status).toBe(405);
  });
});

/** The head of a RST_STREAM with REFUSED_STREAM, as received text. */
function resetText(stream: number): string {
  return frame(FRAME.reset, 0, stream, Buffer.of(0, 0, 0, NGHTTP2_REFUSED_STREAM)).toString("latin1");
}

describe("a flood of resets", () => {
  it("in one packet ends the session with ENHANCE_YOUR_CALM and starts almost no handlers", async () => {
    let started = 0;
    const { port, listener } = await open(() => void started++, { limits: { maxResetsPerConnection: 50 } });
    const client = rawClient(port);
    const pairs = Array.from({ length: 500 }, (_, i) => [getFrame(2 * i + 1), resetFrame(2 * i + 1)]).flat();
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), ...pairs]));
    expect(goawayCode(await client.closed)).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
    expect(started).toBeLessThanOrEqual(51);
    expect(listener.connections()).toBe(0);
  });

  it("one by one ends the session at the cap", async () => {
    const started: number[] = [];
    let heard = signal();
    const { port, listener } = await open(
      () => {
        started.push(1);
        heard.fire();
      },
      { limits: { maxResetsPerConnection: 20 } },
    );
    const client = rawClient(port);
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
    for (let stream = 1; stream < 43; stream += 2) {
      heard = signal();
      client.socket.write(getFrame(stream));
      await heard.promise;
      client.socket.write(resetFrame(stream));
    }
    expect(goawayCode(await client.closed)).toBe(NGHTTP2_ENHANCE_YOUR_CALM);
    expect(started.length).toBe(21);
    expect(listener.counters().resetFloods).toBe(1);
  });

  it("below the cap leaves the session alone", async () => {
    const { port, listener } = await open(echo, { limits: { maxResetsPerConnection: 50 } });
    const client = rawClient(port);
    const pairs = Array.from({ length: 50 }, (_, i) => [getFrame(2 * i + 1), resetFrame(2 * i + 1)]).flat();
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), ...pairs, getFrame(101)]));
    await client.received("GET / 2.0");
    expect(listener.counters().resetFloods).toBe(0);
  });
});

describe("an HTTP/2 request with too many header bytes", () => {
  it("is reset, and the session goes on", async () => {
    const { port } = await open(echo, { limits: { maxHeaderBytes: 4_096 } });
    const session = h2Client(port);
    await streamEnd(session.request({ ":path": "/first" }));
    const big = await streamEnd(session.request({ ":path": "/", "x-big": "x".repeat(8_000) }));
    expect(big).toMatchObject({ status: undefined, code: NGHTTP2_ENHANCE_YOUR_CALM });
    expect((await streamEnd(session.request({ ":path": "/next" }))).body).toBe("GET /next 2.0 ");
  });
});
