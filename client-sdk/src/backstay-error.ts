import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

// The position of a name is its number on the wire.
const CODES = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;

/** The kind of an error, as Connect and gRPC name it: `"not_found"`, `"already_exists"`, `"unavailable"`, ... */
export type ErrorCode = Exclude<(typeof CODES)[number], "ok">;

/** What is wrong with one field of a request. */
export interface FieldError {
  /** The field's path in the request as the server spells it, such as `recipient_id` or `account.email`. */
  readonly field: string;
  /** What is wrong with it, in a sentence for developers. */
  readonly description: string;
}

/** What a {@link BackstayError} is made from. Everything but `code` may be left out. */
export interface BackstayErrorInit {
  code: ErrorCode;
  reason?: string;
  fields?: readonly FieldError[];
  metadata?: Readonly<Record<string, string>>;
  retryAfterMs?: number | undefined;
  requestId?: string;
  cause?: unknown;
}

/**
 * Why a call was refused or failed. Every call and every subscription of the client rejects with this and nothing else.
 *
 * ```ts
 * try {
 *   await client.accounts.createAccount({ login, secret, name });
 * } catch (error) {
 *   if (BackstayError.is(error, "LOGIN_TAKEN")) showTaken();
 *   else if (BackstayError.is(error, "invalid_argument")) showHint(error.field("login") ?? error.message);
 *   else throw error;
 * }
 * ```
 */
export class BackstayError extends Error {
  override readonly name = "BackstayError";

  /** The kind of error: what a program usually decides by. */
  readonly code: ErrorCode;

  /**
   * The exact reason, such as `LOGIN_TAKEN`; empty when the server gave none, as for a network failure. Made by the
   * client itself: `EVENT_GAP`, `SIGNED_OUT`, `FIXED_TOKEN`, `NO_WEB_SOCKET`, `STREAMS_UNREADABLE`, `SOCKET_UNOPENED`,
   * `SOCKET_CLOSED`, `SEND_BACKLOG`, `MESSAGE_TOO_LARGE`, `TOO_MANY_FRAMES`, `NOT_A_PATH`.
   */
  readonly reason: string;

  /** The fields that are wrong, for `invalid_argument`; empty otherwise. See {@link BackstayError.field}. */
  readonly fields: readonly FieldError[];

  /** What the server adds to the reason, by name; empty when nothing. */
  readonly metadata: Readonly<Record<string, string>>;

  /** How long to wait before trying again, in milliseconds; undefined when the server does not say. */
  readonly retryAfterMs: number | undefined;

  /** Names the call in the server's log; empty when the server was not reached. */
  readonly requestId: string;

  constructor(message: string, init: BackstayErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = init.code;
    this.reason = init.reason ?? "";
    this.fields = init.fields ?? [];
    this.metadata = init.metadata ?? {};
    this.retryAfterMs = init.retryAfterMs;
    this.requestId = init.requestId ?? "";
  }

  /**
   * Whether `error` is a BackstayError and, when `what` is given, has it as its code (`"not_found"`) or its reason
   * (`"ACCOUNT_NOT_FOUND"`).
   */
  static is(error: unknown, what?: ErrorCode | (string & {})): error is BackstayError {
    return error instanceof BackstayError && (what === undefined || error.code === what || error.reason === what);
  }

  /**
   * What is wrong with a field of the request, or undefined when nothing is. `name` may be spelled as in TypeScript or
   * as on the wire: `recipientId` and `recipient_id` are the same.
   */
  field(name: string): string | undefined {
    const wanted = camelCase(name);
    return this.fields.find((each) => camelCase(each.field) === wanted)?.description;
  }
}

/** Turns whatever a transport threw into a BackstayError; one that is already one, or wraps one, stays as it is. */
export function toBackstayError(thrown: unknown): BackstayError {
  if (thrown instanceof BackstayError) return thrown;
  const error = ConnectError.from(thrown);
  if (error.cause instanceof BackstayError) return error.cause;
  const [info] = error.findDetails(ErrorInfoSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  return new BackstayError(error.rawMessage || codeName(error.code), {
    code: isBrokenConnection(thrown) ? "unavailable" : codeName(error.code),
    reason: info?.reason ?? "",
    fields: error
      .findDetails(BadRequestSchema)
      .flatMap((bad) => bad.fieldViolations)
      .map(({ field, description }) => ({ field, description })),
    metadata: info?.metadata ?? {},
    retryAfterMs: retry?.retryDelay ? durationMs(retry.retryDelay) : undefined,
    requestId: error.metadata.get("x-request-id") ?? "",
    cause: error,
  });
}

/** The error of an answer in JSON as REST writes it: a google.rpc.Status. */
export function errorFromStatus(status: Readonly<Record<string, unknown>>): BackstayError {
  const details = (Array.isArray(status.details) ? status.details : []) as StatusDetail[];
  const detail = (type: string) => details.find((each) => each["@type"]?.endsWith(`/google.rpc.${type}`));
  const info = detail("ErrorInfo");
  const code = CODES[Number(status.code)] ?? "unknown";
  const seconds = Number.parseFloat(detail("RetryInfo")?.retryDelay ?? "");
  return new BackstayError(String(status.message || code), {
    code: code === "ok" ? "unknown" : code,
    reason: info?.reason ?? "",
    fields: (detail("BadRequest")?.fieldViolations ?? []).map(({ field = "", description = "" }) => ({
      field,
      description,
    })),
    metadata: info?.metadata ?? {},
    retryAfterMs: Number.isNaN(seconds) ? undefined : seconds * 1_000,
  });
}

/** What a detail of google.rpc may have. */
interface StatusDetail {
  "@type"?: string;
  reason?: string;
  metadata?: Record<string, string>;
  fieldViolations?: Partial<FieldError>[];
  retryDelay?: string;
}

// fetch reports every network failure, before the response or in the middle of its body, as a TypeError, which connect
// makes `unknown`; a body that ends inside a message is an `invalid_argument` of connect's own.
function isBrokenConnection(thrown: unknown): boolean {
  if (!(thrown instanceof ConnectError)) return false;
  return (
    (thrown.code === Code.Unknown && thrown.cause instanceof TypeError) ||
    (thrown.code === Code.InvalidArgument && thrown.rawMessage === "protocol error: incomplete envelope")
  );
}

function codeName(code: Code): ErrorCode {
  return (CODES[code] ?? "unknown") as ErrorCode;
}

function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, next: string) => next.toUpperCase());
}
