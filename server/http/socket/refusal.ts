import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { DomainError } from "../../kernel/errors.js";
import { Redirect } from "../../kernel/redirect.js";
import { plainStatus, statusJson } from "../../rpc/wire-errors.js";
import { linger } from "../listener/linger.js";
import { refusalText } from "../listener/refusal.js";

/** Answers a request for a socket with an error, as REST spells it, and ends its connection. */
export function refuseUpgrade(socket: Socket, requestId: string, error: DomainError): void {
  const body = JSON.stringify(statusJson(error));
  const status = plainStatus(error);
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "x-request-id": requestId,
  };
  if (error instanceof Redirect) headers.location = error.location;
  else if (error.kind === "unauthenticated") headers["www-authenticate"] = "Bearer";
  if (error.reason === "METHOD_NOT_ALLOWED") headers.allow = "GET";
  if (error.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(error.retryAfterMs / 1000));
  linger(socket);
  socket.end(refusalText({ status, phrase: STATUS_CODES[status] ?? "", headers, body }));
  // Read to its end, it closes as soon as the peer has closed its side.
  socket.resume();
}
