import type { ClientRequest, IncomingMessage } from "node:http";
import { onTestFinished } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { within } from "../../domains/support.js";
import { parseReply, type Reply } from "../../support/http-request.js";

/** A frame as it came. */
// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it.
export type Frame = Record<string, any>;

/** One WebSocket, read frame by frame. */
export interface TestSocket {
  readonly ws: WebSocket;
  /** Sends a text as it is, or an object as JSON. */
  send(frame: string | object): void;
  /** The next frame, within `ms`. */
  next(ms?: number): Promise<Frame>;
  /** The next frame that has these fields; others before it are passed over. */
  find(fields: Frame, ms?: number): Promise<Frame>;
  /** Sends, and gives the next frame. */
  ask(frame: string | object): Promise<Frame>;
  /** How it was closed, within `ms`. */
  closed(ms?: number): Promise<{ code: number; reason: string }>;
}

interface Options extends ClientOptions {
  path?: string;
  protocols?: string[];
}

function connect(url: string, { path = "/ws", protocols = [], ...options }: Options): WebSocket {
  const ws = new WebSocket(`${url.replace(/^http/, "ws")}${path}`, protocols, options);
  ws.on("error", () => {});
  onTestFinished(() => ws.terminate());
  return ws;
}

/** Opens a socket, which is closed when the test has finished. */
export async function openSocket(url: string, options: Options = {}): Promise<TestSocket> {
  const ws = connect(url, options);
  const frames: Frame[] = [];
  let wake = () => {};
  const closing = new Promise<{ code: number; reason: string }>((resolve) =>
    ws.once("close", (code, reason) => {
      resolve({ code, reason: reason.toString("utf8") });
      wake();
    }),
  );
  ws.on("message", (data) => {
    frames.push(JSON.parse(String(data)));
    wake();
  });
  const opened = new Promise<void>((resolve, reject) => {
    ws.once("open", resolve);
    ws.once("unexpected-response", (_, res) => reject(new Error(`the socket was refused with ${res.statusCode}`)));
    ws.once("error", reject);
  });
  await within(5_000, opened, "the socket opens");

  const take = async (): Promise<Frame> => {
    while (frames.length === 0) {
      if (ws.readyState === WebSocket.CLOSED) throw new Error("the socket was closed");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return frames.shift()!;
  };
  const socket: TestSocket = {
    ws,
    send: (frame) => ws.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    next: (ms = 5_000) => within(ms, take(), "the socket says something"),
    async find(fields, ms = 5_000) {
      const found = async () => {
        for (;;) {
          const frame = await take();
          if (Object.entries(fields).every(([name, value]) => frame[name] === value)) return frame;
        }
      };
      return within(ms, found(), `the socket says ${JSON.stringify(fields)}`);
    },
    ask(frame) {
      socket.send(frame);
      return socket.next();
    },
    closed: (ms = 5_000) => within(ms, closing, "the socket is closed"),
  };
  return socket;
}

/** How a socket is refused before it is open. Fails when it is not. */
export async function refusedSocket(url: string, options: Options = {}): Promise<Reply> {
  const ws = connect(url, options);
  const answered = new Promise<Reply>((resolve, reject) => {
    ws.once("unexpected-response", (_: ClientRequest, res: IncomingMessage) => parseReply(res).then(resolve, reject));
    ws.once("open", () => reject(new Error("the socket was not refused")));
  });
  return within(5_000, answered, "the socket is refused");
}

/** The reason in the details of a frame that says an error. */
export function reasonOf({ details }: Frame): string | undefined {
  return (details as { reason?: string }[] | undefined)?.find(({ reason }) => reason !== undefined)?.reason;
}
