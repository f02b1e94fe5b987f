import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { echo, open, rawClient, request, signal } from "./listener-harness.js";

const ASK = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
/** What clients of HTTP/2 offer with every request. */
const OFFER = "Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";

/** Answers a request for a WebSocket in its own way, and hands the connection out. */
function upgrading() {
  const taken = signal<{ socket: Socket; head: string }>();
  const upgrade = (_: unknown, socket: Socket, head: Buffer) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    socket.on("end", () => socket.destroy());
    socket.resume();
    taken.fire({ socket, head: head.toString("latin1") });
  };
  return { upgrade, taken: taken.promise };
}

describe("a connection that is taken over for a WebSocket", () => {
  it("comes with what was read behind the request, and is no business of the listener's time-outs", async () => {
    const { upgrade, taken } = upgrading();
    const limits = { headersMs: 50, requestMs: 50, idleMs: 50, sniffMs: 50 };
    const { port, listener } = await open(echo, { upgrade, limits });
    const client = rawClient(port);
    client.socket.write(`${ASK}first bytes`);
    const { socket, head } = await taken;
    expect(head).toBe("first bytes");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(listener.connections()).toBe(1);
    socket.write("still there");
    await client.received("still there");
    client.socket.destroy();
    await expect.poll(() => listener.connections()).toBe(0);
  });

  it("may have been used for requests before", async () => {
    const { upgrade, taken } = upgrading();
    const { port } = await open(echo, { upgrade, limits: { idleMs: 50 } });
    const client = rawClient(port);
    client.socket.write("GET /before HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.received("GET /before 1.1");
    client.socket.write(ASK);
    const { socket } = await taken;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    socket.write("still there");
    await client.received("still there");
  });

  it("is waited for by a drain, as long as its deadline lets it", async () => {
    const { upgrade, taken } = upgrading();
    const { port, listener } = await open(echo, { upgrade });
    const client = rawClient(port);
    client.socket.write(ASK);
    const { socket } = await taken;
    const drained = listener.drain(10_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    socket.end("goodbye");
    expect(await client.closed).toContain("goodbye");
    await drained;

    const other = upgrading();
    const second = await open(echo, { upgrade: other.upgrade });
    const dead = rawClient(second.port);
    dead.socket.write(ASK);
    await other.taken;
    await second.listener.drain(100);
    await dead.closed;
  });

  it("survives a peer that resets it", async () => {
    const { upgrade, taken } = upgrading();
    const { port, listener } = await open(echo, { upgrade });
    const client = rawClient(port);
    client.socket.write(ASK);
    const { socket } = await taken;
    client.socket.resetAndDestroy();
    for (let n = 0; n < 10; n++) {
      socket.write("x".repeat(10_000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await expect.poll(() => listener.connections()).toBe(0);
    expect(await request(port)).toMatchObject({ status: 200 });
  });
});

describe("a request that offers another protocol", () => {
  it("is answered as if it offered none, with its body, and so is what follows it", async () => {
    const { upgrade } = upgrading();
    const { port } = await open(echo, { upgrade });
    const client = rawClient(port);
    client.socket.write(`POST /one HTTP/1.1\r\n${OFFER}Content-Length: 5\r\n\r\nhe`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.socket.write("llo");
    await client.received("POST /one 1.1 hello");
    client.socket.write(`GET /two HTTP/1.1\r\n${OFFER}\r\n`);
    await client.received("GET /two 1.1 ");
    client.socket.write("GET /three HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await client.closed).toContain("GET /three 1.1 ");
  });

  it("also when it waits behind another that is answered already", async () => {
    const { upgrade } = upgrading();
    const answer = (req: { url?: string }, res: { end(text: string): void }) => res.end(`answer to ${req.url} `);
    const { port } = await open(answer as never, { upgrade });
    const client = rawClient(port);
    client.socket.write(`GET /1 HTTP/1.1\r\n${OFFER}\r\nGET /2 HTTP/1.1\r\n${OFFER}\r\n`);
    await client.received("answer to /1 ");
    await client.received("answer to /2 ");
  });

  it("is cut off when it is pipelined behind one that is not answered", async () => {
    const { upgrade } = upgrading();
    const { port, listener } = await open(() => {}, { upgrade });
    const client = rawClient(port);
    client.socket.write(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n${OFFER}\r\n`);
    expect(await client.closed).toBe("");
    expect(listener.counters().malformed).toBe(1);
  });
});

it("takes a request for a WebSocket for any other where there are none", async () => {
  const { port } = await open(echo);
  const client = rawClient(port);
  client.socket.write(ASK);
  await client.received("GET /socket 1.1 ");
});
