import http from "node:http";
import http2 from "node:http2";
import { describe, expect, it, vi } from "vitest";
import { createListener } from "../../server/http/listener/index.js";
import {
  type Answer,
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
  request,
  signal,
  silentLog,
  streamEnd,
} from "./listener-harness.js";

/** Hands every response out to the test. */
function held() {
  const arrived = signal<Answer>();
  return { handler: (_req: unknown, res: Answer) => arrived.fire(res), response: arrived.promise };
}

describe("a drain", () => {
  it("lets an HTTP/1.1 request finish, tells its client to close, and accepts nobody new", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const agent = new http.Agent({ keepAlive: true });
    const reply = request(port, { agent });
    const res = await response;
    const drained = listener.drain(10_000);
    await expect(request(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    res.end("done");
    expect(await reply).toMatchObject({ status: 200, body: "done", headers: { connection: "close" } });
    await drained;
    expect(listener.connections()).toBe(0);
  });

  it("lets an HTTP/1.1 response that has begun finish, then closes its connection", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const client = rawClient(port);
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const res = await response;
    res.write("begun ");
    const drained = listener.drain(10_000);
    res.end("and done");
    await drained;
    expect(await client.closed).toContain("and done");
  });

  it("answers a request that came meanwhile on an open connection, as its last", async () => {
    const arrived = [signal<Answer>(), signal<Answer>()] as const;
    let count = 0;
    const { port, listener } = await open((_req, res) => arrived[count++]?.fire(res));
    const client = rawClient(port);
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    const first = await arrived[0].promise;
    first.write("begun");
    const drained = listener.drain(10_000);
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (await arrived[1].promise).end("the last");
    first.end();
    await drained;
    expect(await client.closed).toMatch(/begun[\s\S]*Connection: close[\s\S]*the last$/);
  });

  it("delivers a large response that is still on its way", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const idle = rawClient(port);
    const client = rawClient(port);
    client.socket.pause();
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    (await response).end("x".repeat(20_000_000));
    const drained = listener.drain(10_000);
    await idle.closed;
    client.socket.resume();
    expect((await client.closed).length).toBeGreaterThan(20_000_000);
    await drained;
  });

  it("sends GOAWAY, lets open HTTP/2 streams finish and refuses new ones", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const session = h2Client(port);
    const end = streamEnd(session.request({ ":path": "/x" }));
    const goaway = once(session, "goaway");
    const res = await response;
    const drained = listener.drain(10_000);
    expect((await goaway)[0]).toBe(http2.constants.NGHTTP2_NO_ERROR);
    res.end("done");
    expect(await end).toMatchObject({ status: 200, body: "done", code: 0 });
    await drained;
    expect(listener.connections()).toBe(0);
  });

  it("refuses an HTTP/2 stream that crossed the GOAWAY in a way that is safe to retry", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const client = rawClient(port);
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), getFrame(1)]));
    const res = await response;
    const drained = listener.drain(10_000);
    client.socket.write(getFrame(3));
    res.end("done");
    await drained;
    const text = await client.closed;
    expect(text).toContain("done");
    expect(goawayCode(text)).toBe(0);
  });

  it("sends GOAWAY to a client whose HTTP/2 preface comes meanwhile", async () => {
    const { port, listener } = await open(echo);
    const client = rawClient(port);
    await vi.waitFor(() => expect(listener.connections()).toBe(1));
    const drained = listener.drain(10_000);
    client.socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
    expect(goawayCode(await client.closed)).toBe(0);
    await drained;
  });

  it("closes idle connections of both protocols and silent ones without waiting for the deadline", async () => {
    const { port, listener } = await open(echo);
    const idle = rawClient(port);
    idle.socket.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    await idle.received("GET /x 1.1");
    const session = h2Client(port);
    await streamEnd(session.request({ ":path": "/y" }));
    const silent = rawClient(port);
    await once(silent.socket, "connect");
    await listener.drain(60_000);
    await Promise.all([idle.closed, silent.closed]);
    expect(listener.connections()).toBe(0);
  });

  it("destroys what is stuck at the deadline", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const stuck = [rawClient(port), rawClient(port)] as const;
    stuck[0].socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    stuck[1].socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), getFrame(1)]));
    await response;
    await listener.drain(100);
    expect(listener.connections()).toBe(0);
    await Promise.all([stuck[0].closed, stuck[1].closed]);
  });
});

describe("a stop", () => {
  it("destroys connections in the middle of an answer, also during a drain", async () => {
    const { handler, response } = held();
    const { port, listener } = await open(handler);
    const client = rawClient(port);
    client.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await response;
    const drained = listener.drain(60_000);
    await listener.stop();
    await drained;
    await client.closed;
  });

  it("and a drain may come twice, in any order, and without a start", async () => {
    const { listener } = await open(echo);
    await Promise.all([listener.drain(1_000), listener.stop(), listener.drain(1_000), listener.stop()]);
    const never = createListener({ host: "127.0.0.1", port: 0, handler: () => {}, log: silentLog });
    await never.drain(1_000);
    await never.stop();
    await expect(never.start()).rejects.toThrow("does not start again");
  });
});
