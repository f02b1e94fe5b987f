import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";

interface Refusal {
  message?: string;
  metadata?: Record<string, string>;
  fields?: { field: string; description: string }[];
  retryAfterMs?: number;
  requestId?: string;
}

/** An error as Backstay answers it. */
export function refusal(code: Code, reason: string, more: Refusal = {}): ConnectError {
  const { message = reason, metadata = {}, fields, retryAfterMs, requestId } = more;
  return new ConnectError(message, code, requestId ? { "x-request-id": requestId } : {}, [
    { desc: ErrorInfoSchema, value: { domain: "backstay", reason, metadata } },
    ...(fields ? [{ desc: BadRequestSchema, value: { fieldViolations: fields } }] : []),
    ...(retryAfterMs === undefined
      ? []
      : [{ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(retryAfterMs) } }]),
  ]);
}

/** The server cannot answer now. */
export function unavailable(more: Refusal = {}): ConnectError {
  return refusal(Code.Unavailable, "UNAVAILABLE", more);
}

/** The access token is over. */
export function tokenExpired(): ConnectError {
  return refusal(Code.Unauthenticated, "TOKEN_EXPIRED");
}
