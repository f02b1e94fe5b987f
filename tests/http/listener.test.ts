import { execFile, spawnSync } from "node:child_process";
import http from "node:http";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { createListener } from "../../server/http/listener/index.js";
import {
  echo,
  FRAME,
  frame,
  getFrame,
  h2Client,
  open,
  PREFACE,
  rawClient,
  request,
  silentLog,
  streamEnd,
  writeByteByByte,
} from "./listener-harness.js";

const run = promisify(execFile);
const hasCurl = spawnSync("curl", ["--version"]).status === 0;

describe("one cleartext port", () => {
  it("answers HTTP/1.1, and again on the same connection", async () => {
    const { port, listener } = await open(echo);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const first = await request(port, { agent, method: "POST", path: "/a", body: "one" });
    const second = await request(port, { agent, method: "PUT", path: "/b", body: "two" });
    agent.destroy();
    expect([first.body, second.body]).toEqual(["POST /a 1.1 one", "PUT /b 1.1 two"]);
    expect(listener.counters().accepted).toBe(1);
  });

  it("answers HTTP/2 with prior knowledge, many streams on one connection", async () => {
    const { port, listener } = await open(echo);
    const session = h2Client(port);
    const ends = ["/a", "/b", "/c"].map((path) => {
      const stream = session.request({ ":method": "POST", ":path": path });
      stream.end("body");
      return streamEnd(stream);
    });
    const bodies = (await Promise.all(ends)).map((end) => end.body);
    expect(bodies).toEqual(["POST /a 2.0 body", "POST /b 2.0 body", "POST /c 2.0 body"]);
    expect(listener.counters().accepted).toBe(1);
  });

  it("recognises HTTP/1.1 that comes byte by byte, also when it begins like the HTTP/2 preface", async () => {
    const { port } = await open(echo);
    for (const method of ["GET", "PUT", "POST"]) {
      const client = rawClient(port);
      const text = `${method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`;
      await writeByteByByte(client.socket, Buffer.from(text));
      expect(await client.closed).toMatch(new RegExp(`^HTTP/1.1 200 OK[\\s\\S]*${method} /x 1.1 hi`));
    }
  });

  it("recognises HTTP/2 that comes byte by byte", async () => {
    const { port } = await open((_req, res) => res.end("hello"));
    const client = rawClient(port);
    await writeByteByByte(client.socket, Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), getFrame(1)]));
    await client.received("hello");
  });

  it("answers a client that ends its side right after the request", async () => {
    const { port } = await open(echo);
    const client = rawClient(port);
    client.socket.end("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.closed).toContain("GET /x 1.1");
  });

  it.skipIf(!hasCurl)("answers curl --http2, which asks to upgrade, over HTTP/1.1 (needs curl)", async () => {
    const { port } = await open(echo);
    const url = `http://127.0.0.1:${port}/up`;
    expect((await run("curl", ["-s", "--http2", "-d", "x", url])).stdout).toBe("POST /up 1.1 x");
    expect((await run("curl", ["-s", "--http2-prior-knowledge", "-d", "x", url])).stdout).toBe("POST /up 2.0 x");
  });

  it("invites the body of a request that expects 100-continue", async () => {
    const { port } = await open(echo);
    const client = rawClient(port);
    client.socket.write("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    await client.received("HTTP/1.1 100 Continue");
    client.socket.write("hi");
    await client.received("POST /x 1.1 hi");
  });

  it("rejects a start on a busy port with the system's error", async () => {
    const { port } = await open(echo);
    const second = createListener({ host: "127.0.0.1", port, handler: () => {}, log: silentLog });
    await expect(second.start()).rejects.toMatchObject({ code: "EADDRINUSE", port });
    await second.stop();
  });
});

describe("requests that are refused before the handler", () => {
  const refused = (_req: unknown) => {
    throw new Error("the handler was called");
  };

  it.each([
    ["TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["an unknown method", "FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["a method the API does not use", "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["bytes that are not HTTP", "hello\r\n\r\n", 400],
    [
      "Content-Length with Transfer-Encoding",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["two Content-Lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400],
    ["bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", 400],
    ["a folded header", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ["an absolute target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["too many header bytes", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(64_000)}\r\n\r\n`, 431],
  ])("%s over HTTP/1.1 gets a status and a closed connection", async (_name, text, status) => {
    const { port } = await open(refused);
    const client = rawClient(port);
    client.socket.write(text);
    expect(await client.closed).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it("say what is wrong in the shape Connect clients read", async () => {
    const { port } = await open(refused);
    const reply = await request(port, { method: "TRACE" });
    expect(reply.headers).toMatchObject({ "content-type": "application/json", connection: "close" });
    expect(reply.headers.allow).toContain("POST");
    expect(JSON.parse(reply.body)).toEqual({ code: "unimplemented", message: "method not allowed" });
  });

  it.each([
    ["TRACE", { ":method": "TRACE" }, 405],
    ["an unknown method", { ":method": "FROB" }, 405],
    ["CONNECT", { ":method": "CONNECT", ":authority": "a:1" }, 405],
    ["a Host other than :authority", { ":authority": "a", host: "b" }, 400],
  ])("%s over HTTP/2 gets a status", async (_name, headers, status) => {
    const { port } = await open(refused);
    expect(await streamEnd(h2Client(port).request(headers))).toMatchObject({ status });
  });
});
