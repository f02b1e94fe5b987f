import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { gzip } from "node:zlib";
import { likesGzip } from "./accept.js";
import {
  type Call,
  DomainError,
  hangUpAfter,
  isGone,
  plainStatus,
  Redirect,
  type Request,
  type Response,
  statusJson,
} from "./house.js";
import { contentTypeOf, type HttpBody, NOSNIFF } from "./http-body.js";

export { isGone } from "./house.js";

const GZIP_FROM = 1024;
const JSON_TYPE = "application/json";
const GZIPPED = { "content-type": JSON_TYPE, "content-encoding": "gzip" };

/** Answers 200 with JSON, compressed when it is worth it and the caller can read it. */
export function sendJson(req: Request, res: Response, call: Answered, json: string): void {
  const length = Buffer.byteLength(json);
  if (length < GZIP_FROM || !mayCompress(req, res)) {
    send(res, call, json, { "content-type": JSON_TYPE, "content-length": length });
    return;
  }
  gzip(json, (error, bytes) => {
    if (error) res.destroy(error);
    else send(res, call, bytes, { ...GZIPPED, "content-length": bytes.length });
  });
}

/** Tells that the answer depends on what the caller can read, and whether he can read gzip. */
function mayCompress(req: Request, res: Response): boolean {
  const vary = res.getHeader("vary");
  res.setHeader("vary", vary === undefined ? "accept-encoding" : `${vary}, accept-encoding`);
  return likesGzip(headerOf(req, "accept-encoding"));
}

/** Answers 200 with bytes of the type they name. */
export function sendBytes(res: Response, call: Answered, body: HttpBody): void {
  const { data } = body;
  send(res, call, data, { "content-type": contentTypeOf(body), "content-length": data.length, ...NOSNIFF });
}

/** Answers 200 with nothing but what is known of an answer before it is made. */
export function sendHeadersOnly(res: Response, call: Answered, headers: OutgoingHttpHeaders): void {
  send(res, call, "", headers);
}

/** Answers an error with its HTTP status: as google.rpc.Status, or as another door spells it. */
export function sendError(
  req: Request,
  res: Response,
  call: Call,
  error: DomainError,
  spelled: object = statusJson(error),
): void {
  if (error.reason === "MESSAGE_TOO_LARGE") hangUpAfter(req, res);
  sendStatus(res, call, error, headersOf(error), spelled);
}

/** Answers that nothing is at the path. */
export function notFound(res: Response, requestId: string): undefined {
  return sendStatus(res, { requestId, cookies: [], isPrivate: false }, new DomainError("UNKNOWN_PATH"), {});
}

/** Answers for a path that has other methods: OPTIONS is told them, any other method is refused with them. */
export function methodNotAllowed(res: Response, requestId: string, methods: readonly string[]): undefined {
  const allow = methods.join(", ");
  const call: Answered = { requestId, cookies: [], isPrivate: false };
  if (res.req.method !== "OPTIONS") return sendStatus(res, call, new DomainError("METHOD_NOT_ALLOWED"), { allow });
  writeHead(res, 204, call, { allow });
  res.end();
  return undefined;
}

/** A header as one text. */
export function headerOf(req: Request, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === "string" ? value : value?.join(", ");
}

/** What an answer tells of its call. */
export type Answered = Pick<Call, "requestId" | "cookies" | "isPrivate">;

/** Begins an answer, with what every answer carries. */
export function writeHead(res: Response, status: number, call: Answered, headers: OutgoingHttpHeaders): void {
  headers["x-request-id"] = call.requestId;
  if (call.cookies.length > 0) headers["set-cookie"] = call.cookies as string[];
  if (call.isPrivate) headers["cache-control"] ??= "no-store";
  (res as ServerResponse).writeHead(status, headers);
}

function sendStatus(
  res: Response,
  call: Answered,
  error: DomainError,
  headers: OutgoingHttpHeaders,
  spelled: object = statusJson(error),
): undefined {
  const json = JSON.stringify(spelled);
  const length = Buffer.byteLength(json);
  send(res, call, json, { "content-type": JSON_TYPE, "content-length": length, ...headers }, plainStatus(error));
  return undefined;
}

function headersOf(error: DomainError): OutgoingHttpHeaders {
  if (error instanceof Redirect) return { location: error.location };
  const { kind, retryAfterMs } = error;
  if (kind === "unauthenticated") return { "www-authenticate": "Bearer" };
  return retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
}

function send(
  res: Response,
  call: Answered,
  body: string | Uint8Array,
  headers: OutgoingHttpHeaders,
  status = 200,
): void {
  if (isGone(res)) return;
  writeHead(res, status, call, headers);
  // HTTP/2 would send the body after a HEAD.
  (res as ServerResponse).end(res.req.method === "HEAD" ? undefined : body);
}
