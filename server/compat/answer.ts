import type { ServerResponse } from "node:http";
import { isGone, sendJson } from "../http/rest/index.js";
import type { DomainError } from "../kernel/errors.js";
import type { Call } from "../rpc/call.js";
import { hangUpAfter, type Request, type Response } from "../rpc/dispatcher.js";
import { httpStatus } from "../rpc/wire-errors.js";

/** Fields of requests, as messages begin with them, and the parameters they came by. */
const PARAMETERS: readonly [field: RegExp, parameter: string][] = [
  [/^pageSize(?=:)/, "_count"],
  [/^pageToken(?=:)/, "_token"],
  [/^readMask(?=[:.])/, "_select"],
  [/^filters\[\d+\](\.\w+)?(?=:)/, "_ops"],
  [/^ids(\[\d+\])?(?=:)/, "id"],
  [/^recipientId(?=:)/, "id"],
  [/^senderId(?=:)/, "sender"],
  [/^text(?=:)/, "msg"],
  [/^new(?=:)/, "secret"],
  [/^afterCursor(?=:)/, "cursor"],
  [/^account\.(?=\w+:)/, ""],
  [/\bcolumn roles\b/, "column type"],
];

/** Answers 200 with JSON. */
export function sendAnswer(req: Request, res: Response, call: Call, reply: unknown): void {
  if (!isGone(res)) sendJson(req, res, call, JSON.stringify(reply ?? {}));
}

/** Answers an error as the predecessor spells it: `{ status, message }`, with that HTTP status. */
export function sendRefusal(req: Request, res: Response, call: Call, error: DomainError): void {
  if (isGone(res)) return;
  const tooLarge = error.reason === "MESSAGE_TOO_LARGE";
  if (tooLarge) hangUpAfter(req, res);
  const status = tooLarge ? 413 : httpStatus(error);
  const message = PARAMETERS.reduce((text, [field, parameter]) => text.replace(field, parameter), error.message);
  const body = JSON.stringify({ status, message });
  if (call.cookies.length > 0) res.setHeader("set-cookie", call.cookies);
  if (status === 405) res.setHeader("allow", "GET, POST");
  if (error.retryAfterMs !== undefined) res.setHeader("retry-after", Math.ceil(error.retryAfterMs / 1000));
  (res as ServerResponse).writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": call.requestId,
  });
  (res as ServerResponse).end(req.method === "HEAD" ? undefined : body);
}
