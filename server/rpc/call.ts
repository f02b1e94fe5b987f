import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { ANONYMOUS, type Caller } from "../kernel/caller.js";
import { DomainError } from "../kernel/errors.js";
import type { Method } from "./methods.js";
import { peerOf } from "./remote-address.js";

/** The ways in. */
export type Door = "connect" | "grpc" | "grpc-web" | "rest" | "compat" | "socket";

/** What a call knows of the HTTP request that brought it. */
export interface CallRequest {
  readonly method?: string | undefined;
  /** What hooks are told in place of `method`, when a door calls by another one than it was asked by. */
  readonly askedBy?: string | undefined;
  /** Path and query as they were sent. */
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Who calls, when that was settled before: a frame of a socket is its opener's. */
  readonly caller?: Caller;
  readonly socket?: { readonly remoteAddress?: string | undefined; readonly encrypted?: boolean } | null;
}

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** One call on its way through the house. */
export class Call {
  readonly requestId: string;
  readonly startedAt = performance.now();
  caller: Caller = ANONYMOUS;
  /** Whether the app has opened the call to anyone: nobody asks who calls. */
  isOpened = false;
  /** When what `caller` was last settled by was looked up; undefined until then. */
  settledAt: number | undefined;
  /** Milliseconds the caller gives us; undefined when he did not say. */
  timeoutMs: number | undefined;
  idempotencyKey: string | undefined;
  /** What is left to prove of who calls, once the body is there; see `Pipeline.prove`. */
  proof: ((body: Buffer) => void | Promise<void>) | undefined;
  /** Cookies that go out with the answer, whatever it is. */
  readonly cookies: string[] = [];
  /** The address the call came from; behind a proxy that is trusted, known from its admission on. */
  remote: string;
  #abort: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly method: Method,
    readonly door: Door,
    readonly request: CallRequest,
  ) {
    this.requestId = requestIdOf(request.headers);
    this.remote = peerOf(request);
  }

  /** Fires when the caller hangs up or its deadline passes; made only when somebody asks, since it is not free. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  /** Whether anything can end this call before its verb does. */
  get canEnd(): boolean {
    return this.method.longLived || this.timeoutMs !== undefined;
  }

  /**
   * Whether the answer is for its caller alone, so that nothing on the way may keep it: it is about somebody who is known, gives a
   * cookie, or comes of a change, which may have made the tokens in it. A cookie or a signed URL would not tell a cache so.
   */
  get isPrivate(): boolean {
    return this.caller.kind !== "anonymous" || this.cookies.length > 0 || !this.method.readOnly;
  }

  /** Waits for `work`, but no longer than the call may last. Rejects with DEADLINE_EXCEEDED, CALL_CANCELED. */
  within<T>(work: Promise<T>): Promise<T> {
    if (!this.canEnd) return work;
    const { signal } = this;
    const ended = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    return Promise.race([work, ended]);
  }

  /** Throws DEADLINE_EXCEEDED when there is no time at all. */
  startTimer(): void {
    if (this.timeoutMs === undefined) return;
    // A timer of nothing would still let a quick call through.
    if (this.timeoutMs < 1) throw new DomainError("DEADLINE_EXCEEDED");
    this.#timer = setTimeout(() => this.abort(new DomainError("DEADLINE_EXCEEDED")), this.timeoutMs);
  }

  stopTimer(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  abort(reason: DomainError): void {
    this.#abort ??= new AbortController();
    this.#abort.abort(reason);
  }
}

/** The request id a client sent, if it is well formed, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const sent = headers["x-request-id"];
  return typeof sent === "string" && REQUEST_ID.test(sent) ? sent : randomUUID();
}
