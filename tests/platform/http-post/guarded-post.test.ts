import { spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import { pipeline, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { isPublicAddress } from "../../../server/kernel/private-address.js";
import { type GuardParts, guardedPost } from "../../../server/platform/http-post/guarded-post.js";
import { startReceiver } from "../../support/receiver.js";

const everywhere: GuardParts = { isAllowed: () => true };
const onlyPublic: GuardParts = { isAllowed: isPublicAddress };

function post(parts: GuardParts, url: string, ms = 10_000) {
  const headers = { "content-type": "application/json", "x-own": "7" };
  return guardedPost(parts)({ url, headers, body: '{"a":"ü"}', signal: AbortSignal.timeout(ms) });
}

function* endless() {
  for (;;) yield Buffer.alloc(16_384);
}

/** A server that does as it likes with a connection. */
async function startRaw(use: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    socket.once("data", () => use(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

describe("a post", () => {
  it("sends the body with its headers, and answers the status", async () => {
    const { url, port, received } = await startReceiver((_, response) => response.writeHead(201).end("made"));
    expect(await post(everywhere, `${url}/in?a=b`)).toEqual({ status: 201 });
    expect(received).toMatchObject([{ method: "POST", path: "/in?a=b", body: '{"a":"ü"}' }]);
    expect(received[0]?.headers).toEqual({
      host: `127.0.0.1:${port}`,
      connection: "close",
      "content-length": "10",
      "content-type": "application/json",
      "x-own": "7",
    });
  });

  it.each([200, 400, 404, 410, 500, 503])("answers %i as it is", async (status) => {
    const { url } = await startReceiver((_, response) => response.writeHead(status).end());
    expect(await post(everywhere, url)).toEqual({ status });
  });

  it("resolves names by the system", async () => {
    const { port, received } = await startReceiver();
    expect(await post(everywhere, `http://localhost:${port}/`)).toEqual({ status: 204 });
    expect(received[0]?.headers.host).toBe(`localhost:${port}`);
  });

  it("closes the connection to an answer without end", async () => {
    let close = () => {};
    const isClosed = new Promise<void>((resolve) => {
      close = resolve;
    });
    const { url } = await startReceiver((_, response) => {
      pipeline(Readable.from(endless()), response.writeHead(200), close);
      return true;
    });
    expect(await post(everywhere, url, 60_000)).toEqual({ status: 200 });
    await isClosed;
  });

  it("takes the status for what it is when the rest of the answer does not come", async () => {
    const { url } = await startReceiver((_, response) => response.writeHead(202).write("and"));
    expect(await post(everywhere, url, 300)).toEqual({ status: 202 });
  });
});

describe("a post that fails", () => {
  it("says that nobody answered in time", async () => {
    const silent = await startRaw(() => {});
    expect(await post(everywhere, silent, 200)).toEqual({ failed: "did not answer in time" });
    const { url } = await startReceiver(() => new Promise(() => {}));
    expect(await post(everywhere, url, 200)).toEqual({ failed: "did not answer in time" });
  });

  it("counts looking up the name", async () => {
    const never: GuardParts = { ...everywhere, resolve: () => new Promise(() => {}) };
    expect(await post(never, "http://hooks.test/", 100)).toEqual({ failed: "did not answer in time" });
  });

  it("is called off", async () => {
    const { url } = await startReceiver(() => new Promise(() => {}));
    const calling = new AbortController();
    const outcome = guardedPost(everywhere)({ url, headers: {}, body: "", signal: calling.signal });
    setTimeout(() => calling.abort(new Error("the server stops")), 50);
    expect(await outcome).toEqual({ failed: "was not waited for" });
    expect(await guardedPost(everywhere)({ url, headers: {}, body: "", signal: AbortSignal.abort() })).toEqual({
      failed: "was not waited for",
    });
  });

  it("says why it could not connect, without saying where", async () => {
    const { port } = await startReceiver();
    const free = await startRaw(() => {}).then((url) => url);
    expect(await post(everywhere, `https://localhost:${port}/`)).toEqual({ failed: "cannot be reached (EPROTO)" });
    expect(
      await post({ ...everywhere, resolve: async () => ["127.0.0.9"] }, free.replace("127.0.0.1", "hooks.test")),
    ).toEqual({
      failed: "cannot be reached (ECONNREFUSED)",
    });
    expect(await post(everywhere, "http://no-such-name.invalid/")).toMatchObject({
      failed: expect.stringMatching(/^cannot be reached \((ENOTFOUND|EAI_AGAIN)\)$/),
    });
  });

  it.each([
    ["", "cannot be reached (ECONNRESET)"],
    ["not HTTP\r\n\r\n", "cannot be reached (HPE_INVALID_CONSTANT)"],
    [
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
      "closed the connection without an answer",
    ],
    [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}\r\n\r\n`, "cannot be reached (HPE_HEADER_OVERFLOW)"],
  ])("has no answer: %j", async (said, failed) => {
    expect(await post(everywhere, await startRaw((socket) => socket.end(said)))).toEqual({ failed });
  });
});

describe("what is not public", () => {
  const refused = { failed: "leads to a private address" };

  it.each([
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "1２7.0.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "169.254.169.254",
    "0.0.0.0",
    "0",
  ])("is not connected to: %s", async (host) => {
    const { port, received } = await startReceiver();
    expect(await post(onlyPublic, `http://${host}:${port}/`)).toEqual(refused);
    expect(received).toEqual([]);
  });

  it("is not connected to by a name that has a public address too", async () => {
    const { port, received } = await startReceiver();
    for (const addresses of [
      ["127.0.0.1", "1.1.1.1"],
      ["1.1.1.1", "127.0.0.1"],
      ["2606:4700::1", "::1"],
    ]) {
      expect(await post({ ...onlyPublic, resolve: async () => addresses }, `http://hooks.test:${port}/`)).toEqual(
        refused,
      );
    }
    expect(received).toEqual([]);
  });

  it("is not reached by a name that means something else a moment later", async () => {
    const { port, received } = await startReceiver();
    // It stands for an address that is allowed once; whoever asked again would be sent elsewhere.
    let asked = 0;
    const resolve = async () => (++asked === 1 ? ["127.0.0.5"] : ["127.0.0.1"]);
    const isAllowed = (address: string) => address === "127.0.0.5";
    expect(await post({ isAllowed, resolve }, `http://hooks.test:${port}/`)).toEqual({ status: 204 });
    expect(received.map(({ address }) => address)).toEqual(["127.0.0.5"]);
    expect(asked).toBe(1);
    expect(await post({ isAllowed, resolve }, `http://hooks.test:${port}/`)).toEqual(refused);
  });
});

describe("redirects", () => {
  /** A server that redirects once, to what it is told to. */
  const redirecting = async (status: number, location: (port: number) => string | undefined) => {
    const receiver = await startReceiver(({ path }, response) => {
      if (path !== "/first") return undefined;
      const to = location(receiver.port);
      return response.writeHead(status, to === undefined ? {} : { location: to }).end();
    });
    return receiver;
  };

  it.each([307, 308])("are followed where they keep the body: %i", async (status) => {
    const { url, received } = await redirecting(status, () => "/second?x=y");
    expect(await post(everywhere, `${url}/first`)).toEqual({ status: 204 });
    expect(received.map(({ method, path, body }) => [method, path, body])).toEqual([
      ["POST", "/first", '{"a":"ü"}'],
      ["POST", "/second?x=y", '{"a":"ü"}'],
    ]);
    expect(received[1]?.headers).toMatchObject({ "x-own": "7", "content-type": "application/json" });
  });

  it.each([300, 301, 302, 303, 304])("are not where they would change it: %i", async (status) => {
    const { url, received } = await redirecting(status, () => "/second");
    expect(await post(everywhere, `${url}/first`)).toEqual({ status });
    expect(received).toHaveLength(1);
  });

  it("are a status alone when they lead nowhere", async () => {
    const { url } = await redirecting(307, () => undefined);
    expect(await post(everywhere, `${url}/first`)).toEqual({ status: 307 });
  });

  it("are followed three times", async () => {
    const { url, received } = await startReceiver(({ path }, response) => {
      const left = Number(path.slice(1));
      return left === 0 ? undefined : response.writeHead(307, { location: `/${left - 1}` }).end();
    });
    expect(await post(everywhere, `${url}/3`)).toEqual({ status: 204 });
    expect(received).toHaveLength(4);
    expect(await post(everywhere, `${url}/4`)).toEqual({ failed: "redirects more than 3 times" });
    expect(received).toHaveLength(8);
  });

  it("are checked as the first address was", async () => {
    const inner = await startReceiver();
    for (const host of ["127.0.0.1", "2130706433", "localhost", "[::1]", "inner.test"]) {
      const { port } = await redirecting(307, () => `http://${host}:${inner.port}/`);
      const resolve = async (name: string) => [name === "hooks.test" ? "127.0.0.7" : "127.0.0.1"];
      const isAllowed = (address: string) => address === "127.0.0.7";
      expect(await post({ isAllowed, resolve }, `http://hooks.test:${port}/first`)).toEqual({
        failed: "leads to a private address",
      });
    }
    expect(inner.received).toEqual([]);
  });

  it.each([
    ["ftp://example.com/", "redirects to what is no URL of HTTP"],
    ["file:///etc/passwd", "redirects to what is no URL of HTTP"],
    ["http://", "redirects to what is no URL of HTTP"],
    ["http://ada:pa55word@127.0.0.1/", "redirects to a URL with a user or password"],
  ])("are refused to %s", async (location, failed) => {
    const { url } = await redirecting(308, () => location);
    expect(await post(everywhere, `${url}/first`)).toEqual({ failed });
  });
});

describe("TLS", () => {
  const outcomes = async (env: Record<string, string>) => {
    const script = fileURLToPath(new URL("fixtures/secure-posts.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", script], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 30_000,
      killSignal: "SIGKILL",
    });
    let out = "";
    for await (const chunk of child.stdout) out += chunk;
    return JSON.parse(out) as unknown[];
  };

  it("goes to whoever proves to have the name, and not back to plain HTTP", async () => {
    const cert = fileURLToPath(new URL("../../http/fixtures/test-only.cert.pem", import.meta.url));
    expect(await outcomes({ NODE_EXTRA_CA_CERTS: cert })).toEqual([
      { status: 200 },
      { status: 200 },
      { failed: "cannot be reached (ERR_TLS_CERT_ALTNAME_INVALID)" },
      { status: 200 },
      { failed: "redirects from https to http" },
    ]);
  });

  it("verifies certificates also where the environment says not to", async () => {
    const refused = { failed: "cannot be reached (DEPTH_ZERO_SELF_SIGNED_CERT)" };
    expect(await outcomes({ NODE_TLS_REJECT_UNAUTHORIZED: "0" })).toEqual([
      refused,
      refused,
      refused,
      refused,
      refused,
    ]);
  });
});
