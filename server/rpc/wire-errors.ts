import { create, createRegistry, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { AnySchema, anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import type { DomainError, ErrorKind } from "../kernel/errors.js";
import { Redirect } from "../kernel/redirect.js";

/** The one table from kind to Connect code and HTTP status. */
const CODES: Record<ErrorKind, { code: Code; http: number }> = {
  canceled: { code: Code.Canceled, http: 499 },
  invalid_argument: { code: Code.InvalidArgument, http: 400 },
  deadline_exceeded: { code: Code.DeadlineExceeded, http: 504 },
  not_found: { code: Code.NotFound, http: 404 },
  already_exists: { code: Code.AlreadyExists, http: 409 },
  permission_denied: { code: Code.PermissionDenied, http: 403 },
  resource_exhausted: { code: Code.ResourceExhausted, http: 429 },
  failed_precondition: { code: Code.FailedPrecondition, http: 400 },
  aborted: { code: Code.Aborted, http: 409 },
  unimplemented: { code: Code.Unimplemented, http: 501 },
  internal: { code: Code.Internal, http: 500 },
  unavailable: { code: Code.Unavailable, http: 503 },
  unauthenticated: { code: Code.Unauthenticated, http: 401 },
};

const registry = createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema);

/** The HTTP status of an error: its kind's, but for the few that HTTP knows better. */
export function httpStatus(error: DomainError): number {
  if (error.reason === "UNSUPPORTED_MEDIA_TYPE") return 415;
  if (error.reason === "METHOD_NOT_ALLOWED") return 405;
  if (error.reason === "HTTP2_REQUIRED") return 505;
  return CODES[error.kind].http;
}

/** The same at doors whose clients expect nothing else of 413, and go where they are sent. */
export function plainStatus(error: DomainError): number {
  if (error instanceof Redirect) return error.status;
  return error.reason === "MESSAGE_TOO_LARGE" ? 413 : httpStatus(error);
}

function details(error: DomainError) {
  const { reason, metadata, fields, retryAfterMs } = error;
  const info = create(ErrorInfoSchema, { reason, domain: "backstay", metadata: { ...metadata } });
  const list: { desc: typeof ErrorInfoSchema | typeof BadRequestSchema | typeof RetryInfoSchema; value: never }[] = [
    { desc: ErrorInfoSchema, value: info as never },
  ];
  if (fields.length > 0) {
    const fieldViolations = fields.map((violation) => ({ ...violation }));
    list.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) as never });
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(retryAfterMs);
    list.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) as never });
  }
  return list;
}

/** The error as connect-node takes it. */
export function toConnectError(error: DomainError): ConnectError {
  return new ConnectError(error.message, CODES[error.kind].code, undefined, details(error));
}

/** The body of a Connect unary error. */
export function connectErrorJson(error: DomainError): string {
  return JSON.stringify({
    code: error.kind,
    message: error.message,
    details: details(error).map(({ desc, value }) => ({
      type: desc.typeName,
      value: Buffer.from(toBinary(desc, value)).toString("base64").replace(/=+$/, ""),
      debug: toJson(desc, value, { registry }),
    })),
  });
}

/** The error as google.rpc.Status in JSON, as REST answers it. */
export function statusJson(error: DomainError): { code: number; message: string; details: JsonValue[] } {
  return {
    code: CODES[error.kind].code,
    message: error.message,
    details: details(error).map(({ desc, value }) => toJson(AnySchema, anyPack(desc, value), { registry })),
  };
}
