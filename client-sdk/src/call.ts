import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type Backoff, backoffMs } from "./backoff.js";
import { type BackstayError, toBackstayError } from "./backstay-error.js";
import { type Deadline, delay, orAbort, startDeadline } from "./cancellation.js";
import { isCreate, isOpen, isRead } from "./methods.js";
import { randomKey } from "./random-key.js";
import { requestHeaders } from "./request-headers.js";
import type { Session } from "./session.js";

/** What every call can be given besides its request. */
export interface CallOptions {
  /** Gives the call up: it rejects with the code `canceled`. */
  signal?: AbortSignal | undefined;
  /** How long the call may take in all, repeats included, in milliseconds; 0 is no limit. Absent: the client's. */
  timeoutMs?: number | undefined;
  /** More request headers, by name. */
  headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Names this call and all its repeats. What makes or adds something, such as CreateAccount, SendMessage and IncrementCounters,
   * gets a random one; give your own to repeat a call later, for instance from a queue that outlives the page. Another call with
   * a key may be repeated by the client.
   */
  idempotencyKey?: string | undefined;
}

/** How often and how soon a call that may be repeated is. */
export interface RetryPolicy extends Backoff {
  /** How many times the call is sent at most; 1 is never again. */
  attempts: number;
}

/** Sends one unary call: token, key, deadline, repeats, errors. */
export type Call = <I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options?: CallOptions & { repeatable?: boolean },
) => Promise<MessageShape<O>>;

/** What calls are sent with. */
export interface CallParts {
  transport: Transport;
  session: Session;
  retry: RetryPolicy;
  timeoutMs: number;
}

/** Reasons of UNAUTHENTICATED that a new access token can mend. */
const STALE_TOKEN = new Set(["TOKEN_EXPIRED", "INVALID_TOKEN", "TOKEN_REVOKED"]);

/** Whether the server refused the token rather than the caller. */
export function isStaleToken(error: BackstayError): boolean {
  return error.code === "unauthenticated" && STALE_TOKEN.has(error.reason);
}

/** Makes the function through which all unary calls of a client go. */
export function createCall({ transport, session, retry, timeoutMs }: CallParts): Call {
  return async (method, request, options = {}) => {
    const deadline = startDeadline(options.timeoutMs ?? timeoutMs, options.signal);
    const key = options.idempotencyKey ?? (isCreate(method) ? randomKey() : undefined);

    const send = async (bearer: string | undefined) => {
      const headers = requestHeaders(options.headers, bearer, key);
      const left = deadline.remainingMs();
      const timeout = Number.isFinite(left) ? Math.max(1, Math.ceil(left)) : undefined;
      return (await transport.unary(method, deadline.signal, timeout, headers, request)).message;
    };
    const attempt = () => (isOpen(method) ? send(undefined) : sendAs(session, deadline.signal, send));

    const repeatable = options.repeatable || isRead(method) || key !== undefined;
    try {
      return await repeat(attempt, { ...retry, attempts: repeatable ? retry.attempts : 1 }, deadline);
    } catch (thrown) {
      throw toBackstayError(thrown);
    } finally {
      deadline.stop();
    }
  };
}

async function sendAs<T>(
  session: Session,
  signal: AbortSignal,
  send: (bearer: string | undefined) => Promise<T>,
): Promise<T> {
  const bearer = await orAbort(session.bearer(), signal);
  try {
    return await send(bearer);
  } catch (thrown) {
    const error = toBackstayError(thrown);
    // A refused token is refused before the call is carried out, so sending it again is safe for every method.
    if (!bearer || !isStaleToken(error) || !(await orAbort(session.renew(bearer), signal))) throw error;
    return await send(await orAbort(session.bearer(), signal));
  }
}

async function repeat<T>(attempt: () => Promise<T>, policy: RetryPolicy, deadline: Deadline): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = toBackstayError(thrown);
      const wait = backoffMs(policy, failures) + (error.retryAfterMs ?? 0);
      const passing = error.code === "unavailable" || error.code === "aborted";
      if (!passing || failures >= policy.attempts || wait >= deadline.remainingMs()) throw error;
      await delay(wait, deadline.signal);
    }
  }
}
