import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import {
  atEnd,
  FRAME,
  frame,
  getFrame,
  type Handler,
  h2Client,
  once,
  open,
  PREFACE,
  rawClient,
  signal,
  streamEnd,
} from "./listener-harness.js";

const limits = { slowReaderMs: 150 };
const BIG = Buffer.alloc(48 * 1024 * 1024);
const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");

/** Answers /big with more than any socket buffers, /idle with a stream that stays open with nothing to send. */
function bigAndIdle() {
  const gone = signal();
  const idle = signal<(text: string) => void>();
  const handler: Handler = (req, res) => {
    if (req.url === "/idle") {
      res.write("first ");
      idle.fire((text) => res.end(text));
    } else {
      res.on("close", () => gone.fire());
      res.end(BIG);
    }
  };
  return { handler, gone: gone.promise, idle: idle.promise };
}

describe("a peer that takes no response bytes", () => {
  it("over HTTP/1.1 is closed, while an idle stream with nothing pending stays open", async () => {
    const { handler, gone, idle } = bigAndIdle();
    const { port, listener } = await open(handler, { limits });
    const quiet = rawClient(port);
    quiet.socket.write("GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    const finish = await idle;
    const stuck = net.connect(port, "127.0.0.1").on("error", () => {});
    atEnd(() => void stuck.destroy());
    stuck.pause().write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    await gone;
    expect(listener.counters().slowReaders).toBe(1);
    finish("last");
    await quiet.received("last");
  });

  it("over HTTP/1.1 is closed also while the application keeps writing", async () => {
    const gone = signal();
    const { port } = await open(
      (_req, res) => {
        const timer = setInterval(() => res.write(BIG.subarray(0, 1_000_000)), 5);
        res.on("close", () => {
          clearInterval(timer);
          gone.fire();
        });
      },
      { limits },
    );
    const stuck = net.connect(port, "127.0.0.1").on("error", () => {});
    atEnd(() => void stuck.destroy());
    stuck.pause().write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    await gone.promise;
  });

  it("over HTTP/2 with an exhausted window is closed, while an idle stream on another session stays open", async () => {
    const { handler, gone, idle } = bigAndIdle();
    const { port, listener } = await open(handler, { limits });
    const quiet = streamEnd(h2Client(port).request({ ":path": "/idle" }));
    const finish = await idle;
    const session = h2Client(port);
    const closed = once(session, "close");
    session.request({ ":path": "/big" }).on("error", () => {});
    await Promise.all([gone, closed]);
    expect(listener.counters().slowReaders).toBe(1);
    finish("last");
    expect(await quiet).toMatchObject({ body: "first last", code: 0 });
  });

  it("over HTTP/2 loses the stream when PINGs keep the session moving", async () => {
    const gone = signal();
    const { port, listener } = await open(
      (_req, res) => {
        res.on("close", () => gone.fire());
        res.end(BIG.subarray(0, 2_000));
      },
      { limits: { slowReaderMs: 300 } },
    );
    const session = h2Client(port, { settings: { initialWindowSize: 1_000 } });
    const pings = setInterval(() => session.destroyed || session.ping(() => {}), 5);
    atEnd(() => clearInterval(pings));
    session.request({ ":path": "/big" }).on("error", () => {});
    await gone.promise;
    expect(listener.counters().slowReaders).toBe(1);
    expect(session.destroyed).toBe(false);
  });

  it("over TLS is closed", async () => {
    const cert = fixture("test-only.cert.pem");
    const { handler, gone } = bigAndIdle();
    const { port } = await open(handler, { limits, tls: { cert, key: fixture("test-only.key.pem") } });
    const stuck = tls.connect({ port, host: "127.0.0.1", ca: cert, ALPNProtocols: ["http/1.1"] }).on("error", () => {});
    atEnd(() => void stuck.destroy());
    await once(stuck, "secureConnect");
    stuck.pause().write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    await gone;
  });

  it("over HTTP/2 under TLS is closed", async () => {
    const cert = fixture("test-only.cert.pem");
    const { handler, gone } = bigAndIdle();
    const { port } = await open(handler, { limits, tls: { cert, key: fixture("test-only.key.pem") } });
    const stuck = tls.connect({ port, host: "127.0.0.1", ca: cert, ALPNProtocols: ["h2"] }).on("error", () => {});
    atEnd(() => void stuck.destroy());
    await once(stuck, "secureConnect");
    const wide = Buffer.of(0x7f, 0xff, 0, 0);
    const settings = frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), wide]));
    const window = frame(FRAME.windowUpdate, 0, 0, wide);
    stuck.pause().write(Buffer.concat([PREFACE, settings, window, getFrame(1)]));
    await gone;
  });
});

describe("a peer that takes response bytes slowly", () => {
  it("gets the whole response, though one write takes longer than slowReaderMs", async () => {
    const body = BIG.subarray(0, 1_500_000);
    const { port, listener } = await open((_req, res) => res.end(body), { limits: { slowReaderMs: 500 } });
    const stream = h2Client(port).request({ ":path": "/big" });
    const began = performance.now();
    let size = 0;
    stream.on("data", (chunk) => {
      size += chunk.length;
      stream.pause();
      setTimeout(() => stream.resume(), 15);
    });
    await once(stream, "close");
    expect(stream.rstCode).toBe(http2.constants.NGHTTP2_NO_ERROR);
    expect(size).toBe(body.length);
    expect(performance.now() - began).toBeGreaterThan(500);
    expect(listener.counters().slowReaders).toBe(0);
  });
});
