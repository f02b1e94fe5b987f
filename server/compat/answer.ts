import type { ServerResponse } from "node:http";
import { isGone, sendJson } from "../http/rest/index.js";
import type { DomainError } from "../kernel/errors.js";
import type { Call } from "../rpc/call.js";
import { hangUpAfter, type Request, type Response } from "../rpc/dispatcher.js";
import { httpStatus } from "../rpc/wire-errors.js";

/** Answers 200 with JSON. */
export async function sendAnswer(req: Request, res: Response, call: Call, reply: unknown): Promise<void> {
  if (isGone(res)) return;
  setCookies(res, call);
  sendJson(req, res, call, JSON.stringify(reply ?? {}));
}

/** Answers an error as the predecessor spells it: `{ status, message }`, with that HTTP status. */
export function sendRefusal(req: Request, res: Response, call: Call, error: DomainError): void {
  if (isGone(res)) return;
  const tooLarge = error.reason === "MESSAGE_TOO_LARGE";
  if (tooLarge) hangUpAfter(req, res);
  const status = tooLarge ? 413 : httpStatus(error);
  const body = JSON.stringify({ status, message: error.message });
  setCookies(res, call);
  if (status === 405) res.setHeader("allow", "GET, POST");
  if (error.retryAfterMs !== undefined) res.setHeader("retry-after", Math.ceil(error.retryAfterMs / 1000));
  (res as ServerResponse).writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-request-id": call.requestId,
  });
  (res as ServerResponse).end(req.method === "HEAD" ? undefined : body);
}

function setCookies(res: Response, call: Call): void {
  if (call.cookies.length > 0) res.setHeader("set-cookie", call.cookies);
}
