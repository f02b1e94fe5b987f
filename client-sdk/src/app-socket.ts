import type { Backoff } from "./backoff.js";
import { BackstayError, toBackstayError } from "./backstay-error.js";
import type { CallOptions } from "./call.js";
import { createPause, linkAbort, orAbort, startDeadline } from "./cancellation.js";
import { callSafely, createListeners } from "./listeners.js";
import { type Pulse, startPulse } from "./pulse.js";
import { createRecovery } from "./recovery.js";
import type { SubscriptionStatus } from "./resume.js";
import { signedOut } from "./session.js";
import { openSocketLine, SERVER_STOPS, SOCKET_DONE, type SocketLine, type SocketParts } from "./socket-line.js";
import { createSocketMail, type Settle } from "./socket-mail.js";
import { watchWake } from "./wake.js";
import { noWebSocket, socketUrl } from "./web-socket.js";

const PING_MS = 30_000;
const PING = "/v1/ping";

/** What a socket brings: an object of JSON. Answers have the `op` they answer, and those to a URL a `status`. */
export type SocketMessage = Readonly<Record<string, unknown>>;

/** How to open a socket, and who is told of what it brings. */
export interface SocketOptions {
  /** Parameters of its URL, by which the server can find it. Never a token: that is sent apart from the URL. */
  query?: Readonly<Record<string, string>> | undefined;
  /** Told what comes and is no answer to a `request`. */
  onMessage?: ((message: SocketMessage) => void) | undefined;
  /** Told whenever the connection comes and goes, and once `closed`, with the error when that was not wanted. */
  onStatus?: ((status: SubscriptionStatus) => void) | undefined;
  /** Closes it. */
  signal?: AbortSignal | undefined;
  /** How long the server may be silent before it is asked whether it is there, in milliseconds; 30,000. */
  pingMs?: number | undefined;
}

/** A WebSocket that is opened again whenever it breaks, until it is closed. */
export interface AppSocket {
  /** Whether what is sent arrives now. */
  readonly status: SubscriptionStatus["status"];
  /**
   * Sends a URL, such as `/v1/messages?pageSize=3`, or an object of JSON with an `op`. While there is no connection up to 32
   * messages wait for it; what was sent just before one broke may be lost. Throws `SEND_BACKLOG` beyond that,
   * `MESSAGE_TOO_LARGE` above 64 KiB, `NOT_A_PATH` for a text that does not begin with `/`, `SOCKET_CLOSED` after the end.
   */
  send(message: string | object): void;
  /**
   * Sends and resolves with the answer: the next to a URL of that path, or the one with the object's `id`, which it gets
   * when it has none. Rejects with what the server refuses it for; with `unavailable` when the connection broke before the
   * answer, whether it was carried out or not; with `deadline_exceeded` after `timeoutMs`; and as `send`.
   *
   * ```ts
   * const { messages } = await socket.request("/v1/messages?pageSize=3");
   * ```
   */
  request(message: string | object, options?: Pick<CallOptions, "signal" | "timeoutMs">): Promise<SocketMessage>;
  /** Calls back with what comes and is no answer to a `request`, until the returned function is called. */
  on(what: "message", listener: (message: SocketMessage) => void): () => void;
  /** Closes it for good. What waits to be sent is given up. */
  close(): void;
}

/** What sockets of an app are made with. */
export interface AppSocketParts extends SocketParts {
  /** The server's URL. */
  server: string;
  reconnect: Backoff;
  /** For answers, in milliseconds. */
  timeoutMs: number;
}

/** Opens a socket. Throws when there is no WebSocket here, or no such URL. */
export function openAppSocket(parts: AppSocketParts, path: string, options: SocketOptions): AppSocket {
  if (!parts.webSocket()) throw noWebSocket();
  const url = socketUrl(parts.server, path, options.query);
  const { session, reconnect } = parts;
  /** Whoever opened it closes it. */
  const stop = new AbortController();
  /** It is over, for that reason or another. */
  const end = new AbortController();
  const recovery = createRecovery({ session, reconnect, stop: stop.signal });
  const messages = createListeners<SocketMessage>();
  const mail = createSocketMail();
  const pause = createPause();
  let current: SubscriptionStatus = { status: "connecting" };
  /** Ends the connection there is, for the next. */
  let hold = new AbortController();
  let line: SocketLine | undefined;
  let pulse: Pulse | undefined;

  function tell(next: SubscriptionStatus) {
    current = next;
    callSafely(options.onStatus, next);
  }

  /** One connection. Rejects with why it ended. */
  async function connect(): Promise<never> {
    let openedAt = Number.POSITIVE_INFINITY;
    const broken = () => hold.abort(new BackstayError("the server does not answer", { code: "unavailable" }));
    try {
      const bearer = await orAbort(session.bearer(), hold.signal);
      const ended = new Promise<never>((_, onEnd) => {
        const opened = openSocketLine(parts, {
          url,
          bearer,
          onOpen() {
            openedAt = Date.now();
            recovery.heard(false);
            pulse = startPulse(options.pingMs ?? PING_MS, () => mail.post(PING, NOBODY), broken);
            mail.opened(opened.send);
            tell({ status: "live" });
          },
          onFrame(frame) {
            pulse?.heard();
            if (!mail.deliver(frame)) messages.emit(frame);
          },
          onEnd,
        });
        line = opened;
      });
      return await orAbort(ended, hold.signal);
    } finally {
      pulse?.stop();
      pulse = undefined;
      line?.close();
      // A server that takes sockets only to close them is not asked without a pause.
      if (Date.now() - openedAt > reconnect.maxDelayMs) recovery.heard(true);
    }
  }

  /** Connection after connection. Rejects with why there is no next. */
  async function run(): Promise<never> {
    for (;;) {
      hold = new AbortController();
      const unlink = linkAbort(end.signal, hold);
      const error = await connect().catch(toBackstayError);
      unlink();
      mail.lost(error);
      if (end.signal.aborted || error.reason === SOCKET_DONE) throw error;
      const next = hold.signal.aborted ? { delayMs: 0, error } : await recovery.after(error, line?.bearer);
      tell({ status: "reconnecting", delayMs: next.delayMs, ...(error.reason !== SERVER_STOPS && { error }) });
      await pause.wait(next.delayMs, end.signal);
    }
  }

  if (options.onMessage) messages.add(options.onMessage);
  const unwatch = watchWake((networkChanged) => {
    if (pause.cut()) return;
    if (networkChanged) hold.abort(new BackstayError("the network is another", { code: "unavailable" }));
    else pulse?.doubt();
  });
  const unsubscribe = session.onChange(({ event }) => {
    // What was nobody's becomes that of whoever signs in; of one account it never becomes another's.
    if (event === "signed_out" || (event === "signed_in" && line?.bearer !== undefined)) end.abort(signedOut());
  });
  linkAbort(stop.signal, end);
  const unlink = linkAbort(options.signal, stop);
  callSafely(options.onStatus, current);
  run().catch((thrown) => {
    const error = stop.signal.aborted ? closed() : toBackstayError(thrown);
    unwatch();
    unsubscribe();
    unlink();
    end.abort(error);
    mail.lost(error, true);
    const wanted = stop.signal.aborted || error.reason === SOCKET_DONE;
    tell({ status: "closed", ...(!wanted && { error }) });
  });

  function post(message: string | object, settle?: Settle) {
    if (end.signal.aborted) throw closed();
    mail.post(message, settle);
  }
  return {
    get status() {
      return current.status;
    },
    send: (message) => post(message),
    async request(message, { signal, timeoutMs = parts.timeoutMs } = {}) {
      const deadline = startDeadline(timeoutMs, signal);
      let settle: Settle | undefined;
      try {
        const answer = new Promise<SocketMessage>((resolve, reject) => {
          settle = { resolve, reject };
          post(message, settle);
        });
        return await orAbort(answer, deadline.signal);
      } catch (thrown) {
        throw toBackstayError(thrown);
      } finally {
        if (settle) mail.forget(settle);
        deadline.stop();
      }
    },
    on: (_, listener) => messages.add(listener),
    close: () => stop.abort(closed()),
  };
}

/** Who waits for the answer to a ping. */
const NOBODY: Settle = { resolve() {}, reject() {} };

function closed(): BackstayError {
  return new BackstayError("the socket is closed", { code: "failed_precondition", reason: "SOCKET_CLOSED" });
}
