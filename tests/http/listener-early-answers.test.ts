import net from "node:net";
import { describe, expect, it, vi } from "vitest";
import { readPieces } from "../../server/rpc/body.js";
import { within } from "../domains/support.js";
import { type Handler, h2Client, open, rawClient, signal, streamEnd } from "./listener-harness.js";

/** Answers at once, whatever is still to come. */
const refuse: Handler = (_req, res) => {
  res.statusCode = 413;
  res.setHeader("connection", "close");
  res.end("too large");
};

/** The same by HTTP/2, where Node itself closes a stream that nobody began to read. */
const overHttp2: Handler = (req, res) => {
  req.resume();
  res.statusCode = 413;
  res.end("too large");
};

describe("an answer before the request's end", () => {
  it("closes the stream of HTTP/2 without an error once it is finished", async () => {
    const { port } = await open(overHttp2);
    const upload = h2Client(port).request({ ":method": "POST", ":path": "/" });
    upload.write("and it never ends");
    const end = await within(5_000, streamEnd(upload), "the stream is closed");
    expect(end).toMatchObject({ status: 413, body: "too large", code: 0 });
  });

  it("is whole before the stream of HTTP/2 is closed, however slowly it is read", async () => {
    const body = "x".repeat(300_000);
    const early: Handler = (req, res) => {
      req.resume();
      res.end(body);
    };
    const { port } = await open(early, { limits: { headersMs: 40 } });
    const upload = h2Client(port).request({ ":method": "POST", ":path": "/" });
    upload.write("and it never ends");
    upload.pause();
    const ended = streamEnd(upload);
    upload.pause();
    setTimeout(() => upload.resume(), 300);
    expect((await ended).body).toHaveLength(body.length);
  });

  it("does not hold a drain up", async () => {
    const { port, listener } = await open(overHttp2);
    const upload = h2Client(port).request({ ":method": "POST", ":path": "/" });
    upload.write("and it never ends");
    const ended = streamEnd(upload);
    await new Promise((resolve) => upload.once("response", resolve));
    await within(5_000, listener.drain(15_000), "the drain is over");
    expect((await ended).status).toBe(413);
  });

  it("reaches a peer of HTTP/1.1 that reads it only after it has sent more", async () => {
    const { port } = await open(refuse);
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    socket.pause();
    socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    // Bytes that reach a closed socket are answered by a TCP reset, which throws away what was not read.
    for (let sent = 0; sent < 5; sent++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      socket.write(Buffer.alloc(1_000));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    const client = rawClient(port, socket);
    socket.resume();
    expect(await client.closed).toMatch(/^HTTP\/1.1 413 [\s\S]*too large$/);
  });

  it("is the last of its connection of HTTP/1.1, which closes though the peer goes on sending", async () => {
    let handled = 0;
    const { port, listener } = await open((req, res) => {
      handled++;
      refuse(req, res);
    });
    const client = rawClient(port, net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    client.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    await client.received("too large");
    client.socket.write(`${"x".repeat(10)}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`);
    await vi.waitFor(() => expect(listener.connections()).toBe(0), 5_000);
    expect(handled).toBe(1);
  });
});

describe("a request that is read piece by piece", () => {
  const limits = { headersMs: 150, requestMs: 150 };
  const read: Handler = async (req, res) => {
    let size = 0;
    try {
      for await (const piece of readPieces(req, new AbortController().signal)) size += piece.length;
      res.end(`read ${size}`);
    } catch {
      failed.fire();
    }
  };
  let failed = signal();
  const pieces = async (write: (piece: string) => void) => {
    for (let sent = 0; sent < 10; sent++) {
      write("x");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  it("may take longer than other requests by HTTP/2, as long as it goes on", async () => {
    const { port } = await open(read, { limits });
    const upload = h2Client(port).request({ ":method": "POST", ":path": "/" });
    const ended = streamEnd(upload);
    await pieces((piece) => upload.write(piece));
    upload.end();
    expect(await ended).toMatchObject({ body: "read 10", code: 0 });
  });

  it("may take longer than other requests by HTTP/1.1, as long as it goes on", async () => {
    const { port } = await open(read, { limits });
    const client = rawClient(port);
    client.socket.write("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n");
    await pieces((piece) => client.socket.write(piece));
    expect(await client.closed).toMatch(/^HTTP\/1.1 200 [\s\S]*read 10$/);
  });

  it("is not waited for when it is the reader who is busy", async () => {
    const done = signal();
    const { port } = await open(
      async (req, res) => {
        for await (const _ of readPieces(req, new AbortController().signal)) await done.promise;
        res.end("read");
      },
      { limits },
    );
    const upload = h2Client(port).request({ ":method": "POST", ":path": "/" });
    const ended = streamEnd(upload);
    upload.write("x");
    await new Promise((resolve) => setTimeout(resolve, 500));
    done.fire();
    upload.end();
    expect(await ended).toMatchObject({ body: "read", code: 0 });
  });

  it.each(["HTTP/1.1", "HTTP/2"])("is cut when it goes silent by %s", async (version) => {
    failed = signal();
    const { port, listener } = await open(read, { limits });
    if (version === "HTTP/2") {
      const upload = h2Client(port).request({ ":method": "POST", ":path": "/" });
      upload.write("x");
      expect((await within(5_000, streamEnd(upload), "the stream is reset")).code).toBe(11);
    } else {
      const client = rawClient(port);
      client.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx");
      await within(5_000, client.closed, "the connection is closed");
    }
    await within(5_000, failed.promise, "the reader hears of it");
    expect(listener.counters().requestTimeouts).toBe(1);
  });
});
