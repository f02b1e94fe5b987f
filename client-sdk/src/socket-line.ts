import { BackstayError, type BackstayErrorInit, errorFromStatus, toBackstayError } from "./backstay-error.js";
import { keepSignedIn } from "./keep-signed-in.js";
import type { Session } from "./session.js";
import { noWebSocket, type WebSocketConstructor } from "./web-socket.js";

/** The reason of the error when a socket was never open. */
export const SOCKET_UNOPENED = "SOCKET_UNOPENED";

/** The reason when the server stops, and sockets are to come again. */
export const SERVER_STOPS = "SERVER_STOPS";

/** The reason when the server closed the socket because all is done. */
export const SOCKET_DONE = "SOCKET_DONE";

const OPEN_MS = 10_000;
const DONE = 1000;
const GOING_AWAY = 1001;
const SIGN_IN_OVER = 4401;
const OVERLOADED = 1013;
const BROKEN_RULE = 1008;
const AUTH_ID = "backstay.auth";

/** A frame of JSON, from or to the server. */
export type Frame = Readonly<Record<string, unknown>>;

/** What sockets are opened with. */
export interface SocketParts {
  /** The class of WebSockets that there is. */
  webSocket(): WebSocketConstructor | undefined;
  session: Session;
  /** Asks the server by a call whether it takes the token; rejects with `unauthenticated` when not. */
  checkToken(token: string): Promise<unknown>;
}

/** One WebSocket that is open, or on its way. */
export interface SocketLine {
  /** The token it stands by now. */
  readonly bearer: string | undefined;
  send(text: string): void;
  /** Ends it, and with it all calls back. */
  close(): void;
}

/** What becomes of it. */
export interface SocketLineInit {
  url: string;
  /** The token it is opened with. */
  bearer: string | undefined;
  onOpen(): void;
  onFrame(frame: Frame): void;
  /** It is over; called once, and last. */
  onEnd(error: BackstayError): void;
}

/** Opens a WebSocket as whoever is signed in, and keeps it so: newer tokens are told to the server before the old one ends. */
export function openSocketLine(
  { webSocket, session, checkToken }: SocketParts,
  { url, bearer, onOpen, onFrame, onEnd }: SocketLineInit,
): SocketLine {
  const socket = make(webSocket(), url, bearer);
  let held = bearer;
  let state: "opening" | "open" | "closed" | "over" = "opening";
  let signOff = () => {};
  const tooSlow = setTimeout(() => leave(unopened()), OPEN_MS);

  /** False when it was over already. */
  function stop(): boolean {
    if (state === "over") return false;
    state = "over";
    clearTimeout(tooSlow);
    signOff();
    return true;
  }
  function leave(error: BackstayError) {
    if (!stop()) return;
    socket.close();
    onEnd(error);
  }
  async function refused() {
    if (state !== "opening") return;
    state = "closed";
    clearTimeout(tooSlow);
    // Browsers do not tell why a socket was refused; a call does.
    const refusal = held ? await checkToken(held).catch(toBackstayError) : undefined;
    leave(BackstayError.is(refusal, "unauthenticated") ? refusal : unopened());
  }

  socket.addEventListener("open", () => {
    if (state !== "opening") return;
    state = "open";
    clearTimeout(tooSlow);
    signOff = keepSignedIn(session, bearer, (token) => {
      held = token;
      socket.send(JSON.stringify({ op: "auth", id: AUTH_ID, token }));
    });
    onOpen();
  });
  socket.addEventListener("message", ({ data }) => {
    const frame = state === "open" ? parse(data) : undefined;
    if (!frame) return;
    if (frame.id !== AUTH_ID) onFrame(frame);
    else if (isRefusal(frame)) leave(errorFromStatus(frame));
  });
  socket.addEventListener("close", ({ code, reason }) => {
    if (state === "open") leave(closeError(code, reason));
    else refused();
  });
  // Not every WebSocket that cannot be opened says "close" as well.
  socket.addEventListener("error", () => void refused());

  return {
    get bearer() {
      return held;
    },
    send: (text) => socket.send(text),
    close() {
      if (stop()) socket.close();
    },
  };
}

/** Whether a frame says that what it answers failed; {@link errorFromStatus} reads why. */
export function isRefusal(frame: Frame): boolean {
  return Number(frame.status) >= 400 && typeof frame.code === "number";
}

function make(Socket: WebSocketConstructor | undefined, url: string, bearer: string | undefined) {
  if (!Socket) throw noWebSocket();
  try {
    return new Socket(url, bearer ? ["backstay.v1", `bearer.${bearer}`] : ["backstay.v1"]);
  } catch {
    // What was thrown may quote the token.
    throw new BackstayError("the socket's URL or the token is malformed", { code: "invalid_argument" });
  }
}

function parse(data: unknown): Frame | undefined {
  try {
    const frame: unknown = JSON.parse(String(data));
    return typeof frame === "object" && frame !== null ? (frame as Frame) : undefined;
  } catch {
    return undefined;
  }
}

function unopened(): BackstayError {
  return new BackstayError("the socket could not be opened", { code: "unavailable", reason: SOCKET_UNOPENED });
}

function closeError(code: number, reason: string): BackstayError {
  const error = (message: string, init: BackstayErrorInit) => new BackstayError(message, init);
  switch (code) {
    case DONE:
      return error("the server closed the socket", { code: "canceled", reason: SOCKET_DONE });
    case GOING_AWAY:
      return error("the server stops", { code: "unavailable", reason: SERVER_STOPS });
    case BROKEN_RULE:
      return error("too many frames a second", {
        code: "resource_exhausted",
        reason: "TOO_MANY_FRAMES",
        retryAfterMs: 1_000,
      });
    case OVERLOADED:
      return error("the reader fell behind", { code: "resource_exhausted", reason: "SLOW_READER" });
    case SIGN_IN_OVER:
      return error("the sign-in is over", {
        code: "unauthenticated",
        reason: /^[A-Z_]+$/.test(reason) ? reason : "TOKEN_REVOKED",
      });
    default:
      return error(`the socket was closed (${code})`, { code: "unavailable" });
  }
}
