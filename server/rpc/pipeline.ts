import type { IncomingHttpHeaders } from "node:http";
import { create, type DescMessage, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Idempotency, Ports } from "../context.js";
import type { Caller } from "../kernel/caller.js";
import { DomainError } from "../kernel/errors.js";
import type { Hooks } from "../kernel/hooks.js";
import { type Authenticate, type Authenticator, Pushed } from "../manifest.js";
import { ConflictError } from "../platform/db/index.js";
import { describeError } from "../platform/log.js";
import { checkAccess, checkDenied } from "./access.js";
import { audited } from "./admin-audit.js";
import { createAdmission, withinScopes } from "./admission.js";
import type { Call } from "./call.js";
import { contextMaker } from "./context.js";
import { createHookRunner, type HookRunner } from "./hooks.js";
import type { Method } from "./methods.js";
import type { IsAllowedOrigin } from "./origins.js";
import { pushing } from "./pushed.js";
import { type RateLimiter, unlimited } from "./rate.js";
import { peerOf, type RemoteOf } from "./remote-address.js";
import { checkShape, warmShape } from "./shape.js";
import { whileStanding } from "./while-standing.js";

export interface PipelineOptions {
  /** Who calls; a function knows bearer tokens alone. */
  authenticate: Authenticate | Authenticator;
  /** Which origins' pages may call with a cookie; without it only the server's own. */
  isAllowedOrigin?: IsAllowedOrigin;
  /** The most bytes of a request message. */
  messageBytes: number;
  /** What calls are counted by; without it they are not. */
  rates?: RateLimiter;
  /** Where calls come from; without it, the other end of their connection. */
  remoteOf?: RemoteOf;
  /** What an app has declared to be asked about calls. */
  hooks?: Hooks | undefined;
}

/** What every call passes, whatever door it came by: `admit` before its body is read, `invoke` after, `close` at its end. */
export interface Pipeline {
  readonly messageBytes: number;
  /** Where a request came from. */
  readonly remoteOf: RemoteOf;
  /** Whether an app is asked about calls. */
  readonly isHooked: boolean;
  /** Decides whether the call may go on: who calls, may they, are there too many, how long have we. Throws DomainError. */
  admit(call: Call): void | Promise<void>;
  /** Decides whether a call that comes with another one may go on as that one's caller. Throws DomainError. */
  admitAs(call: Call, caller: Caller): void | Promise<void>;
  /**
   * Proves, with the raw body, what `admit` had to leave open, and again what it found out, when the body was slow; a door does
   * it before `invoke` and `stream`. A streamed request comes while the verb runs: its door proves, with nothing, before it.
   */
  prove(call: Call, body: Buffer): void | Promise<void>;
  /**
   * Runs a method that answers one message. `aside` is what a door asks for itself: no hook gets to see that answer. Throws what
   * `close` understands.
   */
  invoke(call: Call, input: Input, aside?: boolean): Message | Promise<Message>;
  /** Runs a method that answers a stream; it ends within a second of its caller's sign-in. */
  stream(call: Call, input: Input): Pushed<Message>;
  /** Ends the call: one line in the access log, and the error as the caller may see it. */
  close(call: Call, error?: unknown): DomainError | undefined;
  /** Prepares what the first call of each method would otherwise wait for. */
  warm(methods: Iterable<Method>): void;
}

/** What a method is asked: one message, or a stream of them. */
export type Input = Message | AsyncIterable<Message>;

/** How old, in milliseconds, what is known of a caller may be when the verb runs: as old as what is remembered of tokens. */
const FRESH = 1_000;

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export function createPipeline(ports: Ports, options: PipelineOptions): Pipeline {
  const { authenticate, messageBytes, isAllowedOrigin = () => false, rates = unlimited, remoteOf = peerOf } = options;
  const contextOf = contextMaker(ports, isAllowedOrigin);
  const identify = createAdmission(ports, { authenticate, rates, isAllowedOrigin });
  const hooks =
    options.hooks &&
    createHookRunner({ hooks: options.hooks, log: ports.log, signatureName: ports.settings.auth.signatureName });

  const idempotencyOf = (call: Call, input: Input): Idempotency | undefined => {
    const key = call.idempotencyKey;
    if (key === undefined || call.method.readOnly || isStream(input)) return undefined;
    const who = call.caller.kind === "account" ? call.caller.accountId : call.caller.kind;
    const request = toBinary(call.method.input, input);
    const isOfRequest = (hash: Uint8Array) => ports.key.verifies("idempotency", request, hash);
    const hash = ports.key.mac("idempotency", request);
    return { scope: `${who} ${call.method.name}`, key, hash, isOfRequest };
  };

  /** Whether the body took so long that the token or cookie of the call may have been revoked meanwhile. */
  const isStale = ({ caller, settledAt }: Call): boolean =>
    caller.kind !== "anonymous" && settledAt !== undefined && performance.now() - settledAt > FRESH;

  const proveBody = (call: Call, body: Buffer) => {
    const { proof } = call;
    call.proof = undefined;
    return proof?.(body);
  };

  const proveAll = (call: Call, body: Buffer) => {
    const again = isStale(call) ? identify(call) : undefined;
    // A cookie that died meanwhile may have left it to a signature.
    return again === undefined ? proveBody(call, body) : again.then(() => proveBody(call, body));
  };

  const start = (call: Call, input: Input): unknown => {
    if (call.proof !== undefined) throw new Error(`${call.method.name} was to run before its caller was proved`);
    const schema = call.method.input;
    if (!isStream(input)) checkShape(schema, input);
    const checked = isStream(input) ? checkEach(schema, input) : input;
    return call.method.handler(checked, contextOf(call, idempotencyOf(call, input)));
  };

  return {
    messageBytes,
    remoteOf,
    isHooked: hooks !== undefined,

    admit(call) {
      checkDenied(call);
      const { headers } = call.request;
      call.idempotencyKey = idempotencyKeyOf(headers);
      const length = call.method.streamsRequests ? undefined : headers["content-length"];
      if (length !== undefined && Number(length) > messageBytes + ENVELOPE) throw tooLarge(messageBytes);
      call.startTimer();
      if (remoteOf !== peerOf) call.remote = remoteOf(call.request);
      return hooks === undefined ? identify(call) : hooks.admit(call, () => identify(call));
    },

    admitAs(call, caller) {
      checkDenied(call);
      const settle = () => {
        call.caller = withinScopes(call, caller);
        checkAccess(call);
      };
      return hooks === undefined ? settle() : hooks.admitPart(call, settle);
    },

    prove(call, body) {
      if (hooks === undefined || (call.proof === undefined && !isStale(call))) return proveAll(call, body);
      return hooks.prove(call, () => proveAll(call, body));
    },

    invoke(call, input, aside = false) {
      const answer = audited(ports, call, input, start(call, input));
      const { output } = call.method;
      if (hooks !== undefined && !aside) return call.within(hooked(hooks, call, answer));
      if (!(answer instanceof Promise)) return create(output, answer as Init);
      const response = answer.then((init) => create(output, init));
      return call.within(response);
    },

    stream(call, input) {
      return new Pushed<Message>(async (outlet) => {
        const items = start(call, input) as AsyncIterable<Init> | Pushed<Message>;
        // What pushes has more to say at its end than that, and there may be thousands: it sees to its caller itself.
        if (items instanceof Pushed) await items.run(outlet);
        else await whileStanding(ports, call, () => pushing(created(call.method.output, items)).run(outlet));
        // A verb whose caller went, or whose time is up, ends quietly; its end is told apart from a stream that was done.
        if (call.signal.aborted) throw call.signal.reason;
      });
    },

    close(call, error) {
      call.stopTimer();
      const shown = error === undefined ? undefined : toDomainError(call, error);
      // What is undefined is left out of the line.
      const facts = {
        id: call.requestId,
        method: call.method.name,
        door: call.door,
        code: shown?.kind ?? "ok",
        reason: shown?.reason,
        ms: Math.round((performance.now() - call.startedAt) * 1000) / 1000,
        account: call.caller.kind === "account" ? call.caller.accountId : undefined,
      };
      if (shown?.kind === "internal") ports.log.error({ ...facts, ...describeError(error) }, "call");
      else ports.log.info(facts, "call");
      return shown;
    },

    warm(methods) {
      for (const method of methods) warmShape(method.input, create(method.input));
    },
  };

  function toDomainError(call: Call, error: unknown): DomainError {
    if (error instanceof DomainError) return error;
    if (error instanceof ConflictError) return new DomainError("CONFLICT", undefined, { retryAfterMs: 50 });
    const message = `Something went wrong on our side; the log names it by ${call.requestId}.`;
    return new DomainError("INTERNAL", message, { metadata: { requestId: call.requestId } });
  }
}

type Init = MessageInitShape<DescMessage>;

/** What a verb answers, as an app's hooks would have it. */
async function hooked(hooks: HookRunner, call: Call, answer: unknown): Promise<Message> {
  return hooks.answer(call, create(call.method.output, (await answer) as Init));
}

function isStream(input: Input): input is AsyncIterable<Message> {
  return Symbol.asyncIterator in input;
}

async function* created(schema: DescMessage, items: AsyncIterable<Init>): AsyncGenerator<Message> {
  for await (const item of items) yield create(schema, item);
}

async function* checkEach(schema: DescMessage, messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  for await (const message of messages) {
    checkShape(schema, message);
    yield message;
  }
}

/** Room for the few bytes a protocol puts around a message. */
const ENVELOPE = 5;

export function tooLarge(limit: number): DomainError {
  return new DomainError("MESSAGE_TOO_LARGE", `The message is larger than ${limit} bytes.`);
}

function idempotencyKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const key = headers["idempotency-key"];
  if (key === undefined) return undefined;
  if (typeof key === "string" && IDEMPOTENCY_KEY.test(key)) return key;
  throw new DomainError("INVALID_HEADER", "The header idempotency-key must be 1 to 255 visible ASCII characters.");
}
