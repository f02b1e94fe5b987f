import net from "node:net";
import { describe, expect, it, vi } from "vitest";
import {
  echo,
  FRAME,
  frame,
  getFrame,
  goawayCode,
  h2Client,
  once,
  open,
  PREFACE,
  rawClient,
  signal,
  streamEnd,
  trickle,
} from "./listener-harness.js";

describe("a peer that does not say which protocol it speaks", () => {
  const limits = { sniffMs: 100 };

  it("is closed when it stays silent", async () => {
    const { port, listener } = await open(echo, { limits });
    expect(await rawClient(port).closed).toBe("");
    expect(listener.counters().unidentified).toBe(1);
  });

  it("is closed with half an HTTP/2 preface, however slowly it comes", async () => {
    const { port } = await open(echo, { limits });
    const client = rawClient(port);
    const preface = [...PREFACE.subarray(0, 20).toString("latin1")];
    const timer = setInterval(() => client.socket.write(preface.shift() ?? ""), 40);
    client.socket.on("close", () => clearInterval(timer));
    expect(await client.closed).toBe("");
    expect(preface.length).toBeGreaterThan(0);
  });

  it("is closed when it ends its side", async () => {
    const { port, listener } = await open(echo);
    const client = rawClient(port);
    client.socket.end("PR");
    expect(await client.closed).toBe("");
    expect(listener.connections()).toBe(0);
  });
});

describe("an HTTP/1.1 request that does not come to its end", () => {
  it("gets 408 when its headers take too long, however steadily they come", async () => {
    const { port, listener } = await open(echo, { limits: { headersMs: 100 } });
    const client = rawClient(port);
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    trickle(client.socket, "x");
    expect(await client.closed).toMatch(/^HTTP\/1.1 408 [\s\S]*resource_exhausted/);
    expect(listener.counters().requestTimeouts).toBe(1);
  });

  it("gets 408 when its body takes too long", async () => {
    const { port } = await open(echo, { limits: { headersMs: 100, requestMs: 200 } });
    const client = rawClient(port);
    client.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    trickle(client.socket, "x");
    expect(await client.closed).toMatch(/^HTTP\/1.1 408 /);
  });

  it("is cut without a second status line when its answer has begun", async () => {
    const { port } = await open((_req, res) => res.write("begun"), { limits: { headersMs: 100, requestMs: 200 } });
    const client = rawClient(port);
    client.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    trickle(client.socket, "x");
    const text = await client.closed;
    expect(text).toContain("begun");
    expect(text).not.toContain("408");
  });

  it("is closed after idleMs between two requests", async () => {
    const { port } = await open(echo, { limits: { idleMs: 50 } });
    const client = rawClient(port);
    client.socket.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.closed).toContain("GET /x 1.1");
  });
});

describe("an HTTP/2 session", () => {
  it("that never opens a stream is closed with GOAWAY, also if it keeps sending PINGs", async () => {
    const { port, listener } = await open(echo, { limits: { headersMs: 100 } });
    const session = h2Client(port);
    const goaway = once(session, "goaway");
    const pings = setInterval(() => session.destroyed || session.ping(() => {}), 20);
    session.on("close", () => clearInterval(pings));
    await once(session, "close");
    expect((await goaway)[0]).toBe(0);
    expect(listener.counters().idleSessions).toBe(1);
  });

  it("is closed after h2IdleMs between two streams", async () => {
    const { port } = await open(echo, { limits: { h2IdleMs: 50 } });
    const session = h2Client(port);
    const closed = once(session, "close");
    expect((await streamEnd(session.request({ ":path": "/x" }))).body).toBe("GET /x 2.0 ");
    await closed;
  });

  it("is destroyed when it does not leave after GOAWAY", async () => {
    const { port, listener } = await open(echo, { limits: { headersMs: 50 } });
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const client = rawClient(port, socket);
    socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
    await once(socket, "end");
    expect(goawayCode(client.text())).toBe(0);
    await vi.waitFor(() => expect(listener.connections()).toBe(0), 5_000);
  });

  it("whose peer ends its side is closed, open streams included", async () => {
    const begun = signal();
    const gone = signal();
    const { port } = await open((_req, res) => {
      res.on("close", () => gone.fire());
      res.write("begun");
      begun.fire();
    });
    const client = rawClient(port);
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), getFrame(1)]));
    await begun.promise;
    client.socket.end();
    await Promise.all([gone.promise, client.closed]);
  });

  it("that breaks the protocol while a stream is open is closed, and the handler hears of it", async () => {
    const begun = signal();
    const gone = signal();
    const { port, listener } = await open(
      (_req, res) => {
        res.on("close", () => gone.fire());
        res.write("begun");
        begun.fire();
      },
      { limits: { h2SilenceMs: 50 } },
    );
    const client = rawClient(port);
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), getFrame(1)]));
    await begun.promise;
    client.socket.write(frame(FRAME.settings, 0, 0, Buffer.from("bad")));
    await Promise.all([gone.promise, client.closed]);
    expect(listener.connections()).toBe(0);
  });

  it("that is silent with a stream open is kept as long as it answers PINGs", async () => {
    const release = signal();
    const { port, listener } = await open((_req, res) => void release.promise.then(() => res.end("late")), {
      limits: { h2SilenceMs: 50 },
    });
    const answered = streamEnd(h2Client(port).request({ ":path": "/" }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    release.fire();
    expect(await answered).toMatchObject({ body: "late", code: 0 });
    expect(listener.counters().silentSessions).toBe(0);
  });

  it("that stops in the middle of its headers is closed", async () => {
    const { port, listener } = await open(echo, { limits: { headersMs: 50 } });
    const client = rawClient(port);
    client.socket.write(
      Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), frame(FRAME.headers, 0, 1, Buffer.of(0x82))]),
    );
    await client.closed;
    expect(listener.counters().idleSessions).toBe(1);
  });

  it("loses a stream whose request does not end, and keeps one whose response goes on", async () => {
    const { port, listener } = await open(
      (req, res) => {
        res.write("begun ");
        if (req.url === "/subscribe") release.promise.then(() => res.end("and ended"));
      },
      { limits: { requestMs: 100, headersMs: 100 } },
    );
    const release = signal();
    const session = h2Client(port);
    const subscription = streamEnd(session.request({ ":path": "/subscribe" }));
    const upload = session.request({ ":method": "POST", ":path": "/upload" });
    upload.on("error", () => {});
    trickle(upload as never, "x");
    expect(await streamEnd(upload)).toMatchObject({ code: 11 });
    expect(listener.counters().requestTimeouts).toBe(1);
    release.fire();
    expect(await subscription).toMatchObject({ body: "begun and ended", code: 0 });
  });

  it("keeps a stream whose complete request the handler has not read", async () => {
    const release = signal();
    const { port } = await open(
      (req, res) => {
        if (req.url === "/unread") release.promise.then(() => res.end("late"));
      },
      { limits: { requestMs: 100 } },
    );
    const session = h2Client(port);
    const unread = session.request({ ":method": "POST", ":path": "/unread" });
    unread.end("a complete body");
    const answered = streamEnd(unread);
    await streamEnd(session.request({ ":method": "POST", ":path": "/endless" }));
    release.fire();
    expect(await answered).toMatchObject({ body: "late", code: 0 });
  });
});
