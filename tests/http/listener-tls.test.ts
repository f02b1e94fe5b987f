import { readFileSync } from "node:fs";
import https from "node:https";
import type net from "node:net";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import { atEnd, echo, h2Client, once, open, rawClient, signal, streamEnd, trickle } from "./listener-harness.js";

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8");
const cert = fixture("test-only.cert.pem");
const pem = { cert, key: fixture("test-only.key.pem") };

function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = https.get({ host: "127.0.0.1", port, path: "/x", ca: cert, agent: false }, (res) => {
      let body = "";
      res.on("data", (chunk) => {
        body += chunk;
      });
      res.on("end", () => resolve(body));
    });
    req.on("error", reject);
  });
}

function secureClient(port: number, ALPNProtocols: string[]): tls.TLSSocket {
  const socket = tls.connect({ port, host: "127.0.0.1", ca: cert, ALPNProtocols });
  atEnd(() => void socket.destroy());
  return socket;
}

describe("a port with TLS", () => {
  it("answers HTTP/1.1 and HTTP/2, as the client asks by ALPN", async () => {
    const { port, listener } = await open(echo, { tls: pem });
    expect(await get(port)).toBe("GET /x 1.1 ");
    const session = h2Client(port, { ca: cert }, "https");
    expect((await streamEnd(session.request({ ":path": "/y" }))).body).toBe("GET /y 2.0 ");
    expect(session.alpnProtocol).toBe("h2");
    expect(listener.counters().accepted).toBe(2);
  });

  it("chooses HTTP/2 when the client speaks both, and agrees on nothing else", async () => {
    const { port } = await open(echo, { tls: pem });
    const both = secureClient(port, ["http/1.1", "h2"]);
    await once(both, "secureConnect");
    expect(both.alpnProtocol).toBe("h2");
    const other = secureClient(port, ["spdy/3"]);
    const [error] = await once(other, "error");
    expect(String(error)).toContain("no application protocol");
  });

  it("tells the handler that the connection is encrypted", async () => {
    const { port } = await open((req, res) => res.end(String((req.socket as tls.TLSSocket).encrypted)), { tls: pem });
    expect(await get(port)).toBe("true");
    expect((await streamEnd(h2Client(port, { ca: cert }, "https").request({ ":path": "/" }))).body).toBe("true");
  });

  it("closes cleartext of either protocol", async () => {
    const { port, listener } = await open(echo, { tls: pem });
    for (const text of ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) {
      const client = rawClient(port);
      client.socket.write(text);
      expect(await client.closed).not.toContain("HTTP");
    }
    expect(listener.connections()).toBe(0);
  });

  it("closes a silent peer, a half handshake and a handshake that comes too slowly after sniffMs", async () => {
    const { port, listener } = await open(echo, { tls: pem, limits: { sniffMs: 150 } });
    const half = rawClient(port);
    half.socket.write(Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00));
    const slow = rawClient(port);
    slow.socket.write(Buffer.of(0x16, 0x03, 0x01, 0x3f, 0x00, 0x01, 0x00, 0x3e, 0xfc, 0x03, 0x03));
    trickle(slow.socket, "x");
    await Promise.all([rawClient(port).closed, half.closed, slow.closed]);
    expect(listener.counters().unidentified).toBe(3);
  });

  it("closes a peer that is silent after the handshake", async () => {
    const { port, listener } = await open(echo, { tls: pem, limits: { sniffMs: 150 } });
    const sockets = [secureClient(port, ["h2"]), secureClient(port, ["http/1.1"])];
    await Promise.all(sockets.map((socket) => once(socket.resume(), "close")));
    expect(listener.counters().unidentified).toBe(2);
  });

  it("gives 408 to a request that does not come to its end", async () => {
    const { port } = await open(echo, { tls: pem, limits: { headersMs: 100 } });
    const socket = secureClient(port, ["http/1.1"]);
    await once(socket, "secureConnect");
    const client = rawClient(port, socket as net.Socket);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    trickle(socket, "x");
    expect(await client.closed).toMatch(/^HTTP\/1.1 408 /);
  });

  it("drains requests of both protocols", async () => {
    const arrived = [signal(), signal()];
    const release = signal();
    let count = 0;
    const { port, listener } = await open(
      (_req, res) => {
        arrived[count++]?.fire();
        release.promise.then(() => res.end("done"));
      },
      { tls: pem },
    );
    const first = get(port);
    const second = streamEnd(h2Client(port, { ca: cert }, "https").request({ ":path": "/" }));
    await Promise.all(arrived.map(({ promise }) => promise));
    const drained = listener.drain(10_000);
    release.fire();
    expect(await first).toBe("done");
    expect(await second).toMatchObject({ body: "done", code: 0 });
    await drained;
  });

  it("is not created with a certificate that is none", async () => {
    await expect(open(echo, { tls: { cert: "none", key: "none" } })).rejects.toThrow();
  });
});
