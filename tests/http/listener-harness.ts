import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import net from "node:net";
import { afterEach } from "vitest";
import { createListener, type Listener, type ListenerOptions } from "../../server/http/listener/index.js";

export interface Opened {
  listener: Listener;
  port: number;
}

type Release = () => void | Promise<void>;
const releases: Release[] = [];

afterEach(async () => {
  for (const release of releases.splice(0).reverse()) await release();
});

/** Runs after the test, the newest first. */
export function atEnd(release: Release): void {
  releases.push(release);
}

export const silentLog = { warn() {}, debug() {} };

/** What both protocols' responses share, as far as tests need it. */
export type Answer = ServerResponse;
export type Handler = (req: IncomingMessage, res: Answer) => void;

/** Answers `METHOD path protocol body` once the body is complete. */
export const echo: Handler = (req, res) => {
  let body = "";
  req.on("data", (chunk) => {
    body += chunk;
  });
  req.on("end", () => res.end(`${req.method} ${req.url} ${req.httpVersion} ${body}`));
};

/** A listener on a free loopback port, stopped after the test. */
export async function open(handler: Handler, options: Partial<ListenerOptions> = {}): Promise<Opened> {
  const listener = createListener({
    host: "127.0.0.1",
    port: 0,
    log: silentLog,
    ...options,
    handler: handler as ListenerOptions["handler"],
  });
  atEnd(() => listener.stop());
  const { port } = await listener.start();
  return { listener, port };
}

/** A TCP client that keeps what it receives. */
export interface RawClient {
  socket: net.Socket;
  /** Everything received so far, one character a byte. */
  text(): string;
  received(part: string): Promise<void>;
  /** All received text, once the server has closed the connection. */
  closed: Promise<string>;
}

export function rawClient(port: number, socket = net.connect({ port, host: "127.0.0.1", noDelay: true })): RawClient {
  atEnd(() => {
    socket.destroy();
  });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  return {
    socket,
    text: () => text,
    received: (part) =>
      new Promise((resolve, reject) => {
        const check = () => text.includes(part) && resolve();
        socket.on("data", check);
        socket.on("close", () => reject(new Error(`closed before "${part}" came: ${text}`)));
        check();
      }),
    closed: new Promise((resolve) => socket.on("close", () => resolve(text))),
  };
}

/** Writes one byte a packet, each after the one before was taken by the kernel. */
export async function writeByteByByte(socket: net.Socket, bytes: Buffer): Promise<void> {
  for (const byte of bytes) {
    await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => setImmediate(resolve)));
  }
}

/** Keeps writing a byte, so that only a limit on the total time can end the connection. */
export function trickle(socket: net.Socket, byte: string, everyMs = 10): void {
  const timer = setInterval(() => socket.writable && socket.write(byte), everyMs);
  socket.once("close", () => clearInterval(timer));
}

export interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export function request(port: number, options: http.RequestOptions & { body?: string } = {}): Promise<Reply> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const req = http.request({ host: "127.0.0.1", port, ...rest }, (res) => {
      let text = "";
      res.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text }));
      res.on("error", reject);
    });
    req.on("error", reject);
    req.end(body);
  });
}

/** A client session that does not fail the test when the server ends it. */
export function h2Client(
  port: number,
  options: http2.SecureClientSessionOptions = {},
  scheme = "http",
): ClientHttp2Session {
  const session = http2.connect(`${scheme}://127.0.0.1:${port}`, options);
  session.on("error", () => {});
  atEnd(() => session.destroy());
  return session;
}

/** The end of a stream: its status and body if there was an answer, the reset code in any case. */
export interface StreamEnd {
  status: number | undefined;
  headers: http2.IncomingHttpHeaders;
  body: string;
  code: number;
}

export function streamEnd(stream: ClientHttp2Stream): Promise<StreamEnd> {
  let headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  let body = "";
  stream.on("response", (received) => {
    headers = received;
  });
  stream.on("data", (chunk) => {
    body += chunk;
  });
  stream.on("error", () => {});
  return new Promise((resolve) =>
    stream.on("close", () => resolve({ status: headers[":status"], headers, body, code: stream.rstCode })),
  );
}

/** A promise with its own resolve, for events that come from inside a handler. */
export function signal<T = void>(): { promise: Promise<T>; fire: (value: T) => void } {
  let fire: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    fire = resolve;
  });
  return { promise, fire };
}

export function once(emitter: NodeJS.EventEmitter, event: string): Promise<unknown[]> {
  return new Promise((resolve) => emitter.once(event, (...values: unknown[]) => resolve(values)));
}

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FRAME = { headers: 1, reset: 3, settings: 4, goaway: 7, windowUpdate: 8 } as const;

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** GET / of localhost, complete in one HEADERS frame. */
export function getFrame(stream: number): Buffer {
  const block = Buffer.concat([Buffer.of(0x82, 0x86, 0x84, 0x41, 9), Buffer.from("localhost")]);
  return frame(FRAME.headers, 0x5, stream, block);
}

export function resetFrame(stream: number): Buffer {
  return frame(FRAME.reset, 0, stream, Buffer.of(0, 0, 0, 8));
}

/** The error code of the last GOAWAY among received bytes, undefined without one. */
export function goawayCode(text: string): number | undefined {
  const bytes = Buffer.from(text, "latin1");
  let code: number | undefined;
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes[at + 3] === FRAME.goaway && at + 17 <= bytes.length) code = bytes.readUInt32BE(at + 13);
  }
  return code;
}
