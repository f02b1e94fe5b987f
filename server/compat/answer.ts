import { isGone, sendError, sendJson } from "../http/rest/index.js";
import type { DomainError } from "../kernel/errors.js";
import { Redirect } from "../kernel/redirect.js";
import type { Call } from "../rpc/call.js";
import type { Request, Response } from "../rpc/dispatcher.js";
import { plainStatus } from "../rpc/wire-errors.js";

/** Fields of requests, as messages begin with them, and the parameters they came by. */
const PARAMETERS: readonly [field: RegExp, parameter: string][] = [
  [/^pageSize(?=:)/, "_count"],
  [/^pageToken(?=:)/, "_token"],
  [/^readMask(?=[:.])/, "_select"],
  [/^filters(\[\d+\](\.\w+)?)?(?=:)/, "_ops"],
  [/^ids(\[\d+\])?(?=:)/, "id"],
  [/^recipientId(?=:)/, "id"],
  [/^(connection\.)?peerId(?=:)/, "id"],
  [/^accountId(?=:)/, "id"],
  [/^(deltas|counters)(?=:)/, "counter"],
  [/^senderId(?=:)/, "sender"],
  [/^text(?=:)/, "msg"],
  [/^new(?=:)/, "secret"],
  [/^afterCursor(?=:)/, "cursor"],
  [/^(account|connection)\.(?=\w+:)/, ""],
  [/\bcolumn roles\b/, "column type"],
  [/^(?:deltas|counters)\["(.*?)"\](?=:)/, "$1"],
];

/** Answers 200 with JSON. */
export function sendAnswer(req: Request, res: Response, call: Call, reply: unknown): void {
  if (!isGone(res)) sendJson(req, res, call, JSON.stringify(reply ?? {}));
}

/** Answers an error as the predecessor spells it: `{ status, message }`, and `url` for a redirect, with that HTTP status. */
export function sendRefusal(req: Request, res: Response, call: Call, error: DomainError): void {
  if (isGone(res)) return;
  const message = PARAMETERS.reduce((text, [field, parameter]) => text.replace(field, parameter), error.message);
  if (error.reason === "METHOD_NOT_ALLOWED") res.setHeader("allow", "GET, POST");
  const url = error instanceof Redirect ? error.location : undefined;
  sendError(req, res, call, error, { status: plainStatus(error), message, url });
}
