import type { ServerResponse } from "node:http";
import type { Http2Stream } from "node:http2";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { DomainError } from "../../kernel/errors.js";
import type { Request, Response } from "../../rpc/dispatcher.js";
import { hangUpAfter } from "../../rpc/dispatcher.js";
import { httpStatus, statusJson } from "../../rpc/wire-errors.js";
import { likesGzip } from "./accept.js";

const GZIP_FROM = 1024;
const compress = promisify(gzip);

/** Answers 200 with JSON, compressed when it is worth it and the caller can read it. */
export async function sendJson(req: Request, res: Response, requestId: string, json: string): Promise<void> {
  if (Buffer.byteLength(json) < GZIP_FROM) return send(res, 200, requestId, json);
  const vary = res.getHeader("vary");
  res.setHeader("vary", vary === undefined ? "accept-encoding" : `${vary}, accept-encoding`);
  if (!likesGzip(headerOf(req, "accept-encoding"))) return send(res, 200, requestId, json);
  const bytes = await compress(json);
  send(res, 200, requestId, bytes, { "content-encoding": "gzip" });
}

/** Answers an error as google.rpc.Status with its HTTP status. */
export function sendError(req: Request, res: Response, requestId: string, error: DomainError): void {
  if (error.reason === "MESSAGE_TOO_LARGE") hangUpAfter(req, res);
  const { retryAfterMs } = error;
  const headers = retryAfterMs === undefined ? {} : { "retry-after": Math.ceil(retryAfterMs / 1000) };
  send(res, restStatus(error), requestId, JSON.stringify(statusJson(error)), headers);
}

/** Answers that nothing is at the path. */
export function notFound(res: Response, requestId: string): undefined {
  const error = new DomainError("UNKNOWN_PATH");
  return send(res, restStatus(error), requestId, JSON.stringify(statusJson(error)));
}

/** Answers that the path has other methods. */
export function methodNotAllowed(res: Response, requestId: string, allow: readonly string[]): undefined {
  const error = new DomainError("METHOD_NOT_ALLOWED");
  const headers = { allow: allow.join(", ") };
  return send(res, restStatus(error), requestId, JSON.stringify(statusJson(error)), headers);
}

/** Whether nobody is left to answer; to write would then be an error of its own. */
export function isGone(res: Response): boolean {
  return res.destroyed || ("stream" in res && (res.stream as Http2Stream).destroyed);
}

/** A header as one text. */
export function headerOf(req: Request, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === "string" ? value : value?.join(", ");
}

function restStatus(error: DomainError): number {
  return error.reason === "MESSAGE_TOO_LARGE" ? 413 : httpStatus(error);
}

function send(
  res: Response,
  status: number,
  requestId: string,
  body: string | Uint8Array,
  headers: Record<string, string | number> = {},
): undefined {
  if (isGone(res)) return undefined;
  (res as ServerResponse).writeHead(status, {
    "content-type": "application/json",
    "content-length": typeof body === "string" ? Buffer.byteLength(body) : body.length,
    "x-request-id": requestId,
    ...headers,
  });
  // HTTP/2 would send the body after a HEAD.
  (res as ServerResponse).end(res.req.method === "HEAD" ? undefined : body);
  return undefined;
}
